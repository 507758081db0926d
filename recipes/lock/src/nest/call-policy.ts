import type { LossReason } from '@aviary/coordination';
import type { LockBusyError, LockTimeoutError } from '../core/lock-errors.js';
import type { LockMode } from '../core/lock-layout.js';

/** A call that did not get its lock in time. */
export interface BusyCall {
  /** The method, as `Class.method`. */
  readonly method: string;
  readonly args: readonly unknown[];
  /** LockBusyError if it was not to wait, else LockTimeoutError: who is ahead, and how many. */
  readonly error: LockBusyError | LockTimeoutError;
}

/** A call whose lock was lost while it ran. It goes on running until it ends by itself. */
export interface LostCall {
  /** The method, as `Class.method`. */
  readonly method: string;
  readonly args: readonly unknown[];
  /** The path of the lock. */
  readonly path: string;
  readonly reason: LossReason;
  /** The fencing token of the lease. A later holder's is greater. */
  readonly token: bigint;
}

/**
 * What becomes of a call that does not get its lock in time. `throw`: it rejects with LockBusyError
 * or LockTimeoutError. `skip`: it resolves with undefined (a stream completes), and the method is
 * not run. A function: its result (or its promise's, or its stream's) is the call's.
 */
export type OnBusy = 'throw' | 'skip' | ((call: BusyCall) => unknown);

/**
 * What becomes of a call whose lock is lost while it runs; `currentLease().signal` aborts in any case.
 *
 * `abort`: when the method has ended, with whatever result, the call rejects with LeaseLostError and
 * outcome `unknown`; a stream does so at once. `ignore`: the method's result stands. `exit-process`: the
 * process ends with status 1, for methods that cannot be stopped. A function is called at once;
 * then the method's result stands.
 */
export type OnLost = 'abort' | 'ignore' | 'exit-process' | ((call: LostCall) => void);

/** What a method is run under. */
export type Wanted =
  | { readonly mode: LockMode }
  | {
      readonly mode: 'permit';
      /** How many permits there are, or the path of the node that says so. */
      readonly limit: number | string;
    };

/** One call of a guarded method. */
export interface GuardedCall {
  /** As it is written above the method: `@DistributedLock()`. */
  readonly decorator: string;
  readonly wanted: Wanted;
  /** The method, as `Class.method`. */
  readonly method: string;
  readonly args: readonly unknown[];
  /** The lock, as `LockClient.acquire` takes it. */
  readonly key: string;
  /** Unset: no limit. */
  readonly waitMs: number | undefined;
  readonly maxHoldMs: number | undefined;
  readonly onBusy: OnBusy;
  readonly onLost: OnLost;
}
