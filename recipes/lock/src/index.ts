export { Lease } from './core/lease.js';
export { LockClient } from './core/lock-client.js';
export type { AcquireOptions, LockClientOptions } from './core/lock-client.js';
export {
  ForeignContenderError,
  LeaseLostError,
  LockBusyError,
  LocksClosedError,
  LockTimeoutError,
  LockUnavailableError,
} from './core/lock-errors.js';
export type { LossReason } from './core/lock-errors.js';
export type { ContenderView, LockView } from './core/lock-view.js';
export type { ForeignName } from './core/contender-queue.js';
