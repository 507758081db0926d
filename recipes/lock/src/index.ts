/** Distributed locks; see README.md. */
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
export type { BusyCall, LostCall, OnBusy, OnLost } from './nest/call-policy.js';
export { DistributedLock } from './nest/distributed-lock.decorator.js';
export type { DistributedLockOptions } from './nest/distributed-lock.decorator.js';
export type { Duration } from './nest/duration.js';
export type { LockModuleOptions, LockOptionsFactory } from './nest/lock-module-options.js';
export { LockKeyError, LockSetupError } from './nest/lock-setup-error.js';
export { LockModule } from './nest/lock.module.js';
export { getLocksToken, InjectLocks } from './nest/lock.tokens.js';
export { currentLease } from './nest/locked-scope.js';
