/** Distributed locks; see README.md. */
export { ForeignContenderError, Lease, LeaseLostError } from '@aviary/coordination';
export type { ContenderView, ForeignName, LossReason } from '@aviary/coordination';
export { LockClient } from './core/lock-client.js';
export type { AcquireOptions, LockClientOptions } from './core/lock-client.js';
export {
  LockBusyError,
  LocksClosedError,
  LockTimeoutError,
  LockUnavailableError,
} from './core/lock-errors.js';
export type { LockView } from './core/lock-view.js';
export { WriteLease } from './core/write-lease.js';
export type { BusyCall, LostCall, OnBusy, OnLost } from './nest/call-policy.js';
export { DistributedLock } from './nest/distributed-lock.decorator.js';
export type { DistributedLockOptions } from './nest/distributed-lock.decorator.js';
export type { LockModuleOptions, LockOptionsFactory } from './nest/lock-module-options.js';
export { LockKeyError, LockSetupError } from './nest/lock-setup-error.js';
export { LockModule } from './nest/lock.module.js';
export { getLocksToken, InjectLocks } from './nest/lock.tokens.js';
export { currentLease } from './nest/locked-scope.js';
