import { CoordinationError } from '@aviary/client';
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

/**
 * Who holds a lock to read wants to write, and would wait for himself. Nothing was done. Take the lock
 * to write before, or release it first.
 */
export class LockUpgradeError extends CoordinationError {
  constructor(path: string, method: string) {
    super(
      `${method} wants to write under the lock ${path}, which its caller holds to read, and would wait ` +
        'for itself: put the caller under @WithWriteLock(), too, or call it after the reading has ended',
      { outcome: 'notApplied', operation: 'acquire', path },
    );
  }
}

/** What attempts to take a lock throw. */
export const LOCK_ERRORS: ContentionErrors = {
  Busy: LockBusyError,
  Timeout: LockTimeoutError,
  Unavailable: LockUnavailableError,
  ShuttingDown: LocksClosedError,
};
