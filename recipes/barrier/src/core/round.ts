import { childPath } from '@aviary/foundation';
import type { ProtectedNode, Transaction } from '@aviary/client';
import { Lease, type LeaseLostError, type LossReason } from '@aviary/coordination';
import { checkWait, type BarrierHost } from './barrier-host.js';
import { Departure, type DepartingRound } from './departure.js';
import { READY } from './members.js';
import type { WaitOptions } from './wait.js';

/** When a round opened, and which one it is. */
export interface Opening {
  readonly token: bigint;
  readonly number: number | null;
}

/**
 * A round of a double barrier that we are inside of, from `enter` to {@link leave}.
 *
 * It can be lost before: with the session, or because somebody deleted our member's node. Then the
 * others do not wait for us any more. {@link signal} says so, and {@link assertInside} in the first
 * line that runs after a process was stopped.
 */
export class Round implements AsyncDisposable {
  /** The double barrier: the path of its directory. */
  readonly path: string;
  /** Our member's node. */
  readonly nodePath: string;
  /**
   * The zxid at which the round opened: the same for all its members, greater for every later
   * round. Whoever writes to a store takes it for a fencing token against members of earlier
   * rounds.
   */
  readonly token: bigint;
  /**
   * How many rounds of ours have opened since the directory was made, this one included: the same
   * for all its members. It begins anew with 1 when the servers have removed the directory, as they
   * do when it is empty for a while; {@link token} never does. null: a member of Curator or kazoo
   * opened the round; they count none.
   */
  readonly number: number | null;
  private readonly host: BarrierHost;
  private readonly node: ProtectedNode;
  private readonly lease: Lease;
  private leaving: Promise<void> | null = null;
  private isLast = false;
  private isDeparting = false;

  /** @internal Use `DoubleBarrier.enter`. The session must be certain. */
  constructor(host: BarrierHost, path: string, node: ProtectedNode, { token, number }: Opening) {
    this.host = host;
    this.path = path;
    this.nodePath = node.path;
    this.token = token;
    this.number = number;
    this.node = node;
    this.lease = new Lease({
      zk: host.zk,
      noun: 'round of the double barrier',
      path,
      node,
      token,
      maxHoldMs: undefined,
      remove: () => this.remove(),
      onReleased: () => host.left(this),
    });
    this.signal.addEventListener('abort', () => host.lost(), { once: true });
    host.rounds.add(this);
  }

  /** Aborts with a LeaseLostError when we are not inside any more, but not because we leave. */
  get signal(): AbortSignal {
    return this.lease.signal;
  }

  /** Why the round was lost; null if it was not. */
  get lost(): LossReason | null {
    return this.lease.lost;
  }

  /** Whether we are inside: a comparison with the clock, made now. */
  get isInside(): boolean {
    return this.lease.isHeld;
  }

  /** Nothing, if we are inside. @throws {LeaseLostError} We are not. */
  assertInside(): void {
    this.lease.assertHeld();
  }

  /**
   * Collects operations that the server applies only while our member's node is there; see
   * `Lease.transaction`. Results begin with that of the check.
   */
  transaction(): Transaction<[undefined]> {
    return this.lease.transaction();
  }

  /**
   * We have finished: waits until all members of the round have, and are out. The first call
   * counts.
   *
   * The member with the lowest name waits for the others, who wait for it, so nobody watches all.
   * Members that die do not hold it up.
   *
   * @throws {BarrierTimeoutError} Somebody is still inside after `waitMs`. We are out.
   * @throws {LeaseLostError} The round was lost before.
   * @throws {AbortedError} By `signal`. We are out, as after every error.
   * @throws {BarrierUnavailableError}
   * @throws {InvalidArgumentError} Of the options; we are still inside.
   */
  async leave(options: WaitOptions = {}): Promise<void> {
    checkWait(options);
    this.leaving ??= this.host.wait('leave', this.path, options, async (wait) => {
      try {
        await new Departure(this.host, wait, this.departing()).run();
      } finally {
        void this.lease.release();
      }
    });
    await this.leaving;
  }

  /**
   * Goes without waiting for anybody. Call it also after a loss. Never rejects; see `Lease.release`
   * for when it resolves.
   */
  abandon(): Promise<void> {
    return this.lease.release();
  }

  /** As {@link abandon}, which does nothing after {@link leave}. For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.abandon();
  }

  /** @internal Whether it was given up by {@link abandon}, and not lost. */
  get isAbandoned(): boolean {
    return this.leaving === null && this.lost === null && !this.isInside;
  }

  /** @internal Ends it from outside; the node stays until it is left or abandoned. */
  lose(reason: LossReason): void {
    this.lease.lose(reason);
  }

  /** @internal For work that was going on when the round was lost. */
  lostError(reason: LossReason, outcome?: 'unknown', cause?: unknown): LeaseLostError {
    return this.lease.lostError(reason, outcome, cause);
  }

  private departing(): DepartingRound {
    return {
      path: this.path,
      nodePath: this.nodePath,
      openedAt: this.token,
      signal: this.lease.signal,
      assertInside: () => this.lease.assertHeld(),
      goOut: (isLast: boolean) => {
        this.isLast = isLast;
        this.isDeparting = true;
        return this.lease.release();
      },
    };
  }

  /** Deletes our node; with `ready`, if nobody else is inside. */
  private async remove(): Promise<void> {
    const { zk, removals } = this.host;
    if (this.isLast) {
      // Together: until now our node has kept everybody from opening another round.
      const transaction = zk.transaction().delete(this.nodePath);
      const options = { inSession: this.node.sessionId, deadlineMs: Infinity };
      const both = transaction.delete(childPath(this.path, READY)).commit(options);
      // If it fails, ours goes all the same, and who looks next finds `ready` without members.
      both.catch(() => undefined);
    }
    const away = removals.removeSoon(this.node);
    if (!this.isDeparting) this.host.sweepAfter(removals.whenGone([this.nodePath]), this.path);
    await away;
  }
}
