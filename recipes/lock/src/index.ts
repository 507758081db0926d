/** Distributed locks; see README.md. */
export { ForeignContenderError, Lease, LeaseLostError } from '@aviary/coordination';
export type { ContenderView, ForeignName, LossReason } from '@aviary/coordination';
export { LockClient } from './core/lock-client.js';
export type { AcquireOptions, LockClientOptions, PermitOptions } from './core/lock-client.js';
export {
  LockBusyError,
  LocksClosedError,
  LockTimeoutError,
  LockUnavailableError,
  LockUpgradeError,
} from './core/lock-errors.js';
export type { LockView } from './core/lock-view.js';
export { LeaseGroup } from './core/lease-group.js';
export type { LockLayout, LockMode } from './core/lock-layout.js';
export type { LockRequest } from './core/multi-acquisition.js';
export { SemaphoreLimitError } from './core/semaphore-limit.js';
export type { Deadlock, DeadlockStep, Wait, WaitGraph } from './core/wait-graph.js';
export { WriteLease } from './core/write-lease.js';
export type { BusyCall, LostCall, OnBusy, OnLost } from './nest/call-policy.js';
export { DistributedLock } from './nest/distributed-lock.decorator.js';
export type { DistributedLockOptions } from './nest/distributed-lock.decorator.js';
export type { GuardDecorator, GuardKey, GuardOptions } from './nest/guarded-method.js';
export { WithReadLock, WithWriteLock } from './nest/read-write-lock.decorators.js';
export { WithSemaphore } from './nest/semaphore.decorator.js';
export type { SemaphoreOptions } from './nest/semaphore.decorator.js';
export type { LockModuleOptions, LockOptionsFactory } from './nest/lock-module-options.js';
export { LockKeyError, LockSetupError } from './nest/lock-setup-error.js';
export { LockModule } from './nest/lock.module.js';
export { getLocksToken, InjectLocks } from './nest/lock.tokens.js';
export { currentLease } from './nest/locked-scope.js';
