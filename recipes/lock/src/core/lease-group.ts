import { setMaxListeners } from 'node:events';
import {
  TransactionFailedError,
  type CallOptions,
  type Transaction,
  type TransactionResult,
  type ZooKeeper,
} from '@aviary/client';
import type { Lease } from '@aviary/coordination';

/**
 * Several leases that are held together or not at all: when one is lost, so is the group.
 *
 * Each has a {@link Lease.token} of its own, for the store that it protects.
 */
export class LeaseGroup<L extends Lease = Lease> implements AsyncDisposable {
  /** In the order in which they were asked for. */
  readonly leases: readonly L[];
  /** Aborts with the LeaseLostError of the first that is lost. Not at the release. */
  readonly signal: AbortSignal;
  private readonly zk: ZooKeeper;

  /** @internal Use `LockClient.acquireAll` or `acquirePermits`. */
  constructor(zk: ZooKeeper, leases: readonly L[]) {
    this.zk = zk;
    this.leases = leases;
    const controller = new AbortController();
    this.signal = controller.signal;
    setMaxListeners(0, this.signal);
    for (const { signal } of leases) {
      if (signal.aborted) controller.abort(signal.reason);
      signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
    }
  }

  /** Whether all of them are held: a comparison with the clock, made now. */
  get isHeld(): boolean {
    return this.leases.every(({ isHeld }) => isHeld);
  }

  /** The lease on the lock at this absolute path; undefined: there is none in the group. */
  leaseOf(path: string): L | undefined {
    return this.leases.find((lease) => lease.path === path);
  }

  /** Nothing, if all of them are held. @throws {LeaseLostError} One of them is not. */
  assertHeld(): void {
    for (const lease of this.leases) lease.assertHeld();
  }

  /**
   * As `Lease.transaction`, checked by the nodes of all leases: results begin with one for each of
   * those checks.
   */
  transaction(): Transaction<TransactionResult[]> {
    const { leases } = this;
    const guarded: Transaction<TransactionResult[]> = this.zk.transaction();
    for (const { nodePath } of leases) guarded.check(nodePath, { version: 0 });
    const commit = guarded.commit.bind(guarded);
    guarded.commit = async (options?: CallOptions) => {
      this.assertHeld();
      try {
        return await commit({ ...options, inSession: leases[0]?.sessionId });
      } catch (error) {
        if (!(error instanceof TransactionFailedError)) throw error;
        throw leases[error.index]?.lossBehind(error.cause, error) ?? error;
      }
    };
    return guarded;
  }

  /** Gives all of them up. Never rejects; see `Lease.release`. */
  async release(): Promise<void> {
    await Promise.all(this.leases.map((lease) => lease.release()));
  }

  /** As {@link release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
