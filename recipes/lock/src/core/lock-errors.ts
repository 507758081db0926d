import {
  BusyError,
  ShuttingDownError,
  UnavailableError,
  WaitTimeoutError,
  type ContentionErrors,
} from '@aviary/coordination';

/** The lock was not free and the caller did not want to wait; see {@link BusyError}. */
export class LockBusyError extends BusyError {}

/** It was not this attempt's turn within `waitMs`; see {@link WaitTimeoutError}. */
export class LockTimeoutError extends WaitTimeoutError {}

/** It is not known whether the lock is free; see {@link UnavailableError}. */
export class LockUnavailableError extends UnavailableError {}

/** The `LockClient`, or the application that it belongs to, is shutting down. Nothing was done. */
export class LocksClosedError extends ShuttingDownError {}

/** What attempts to take a lock throw. */
export const LOCK_ERRORS: ContentionErrors = {
  Busy: LockBusyError,
  Timeout: LockTimeoutError,
  Unavailable: LockUnavailableError,
  ShuttingDown: LocksClosedError,
};
