import { setMaxListeners } from 'node:events';
import type { Timer } from '@aviary/foundation';
import {
  NoNodeError,
  BadVersionError,
  TransactionFailedError,
  type CallOptions,
  type Stat,
  type Transaction,
  type ZooKeeper,
} from '@aviary/client';
import { LeaseLostError, type LossReason } from './lease-lost.js';
import { whenTouched, type OwnNode } from './own-node-watch.js';

/** A reason that is there already: without one Node makes an error with a stack each time. */
const RELEASED = 'released';

/** What a lease is made of. */
export interface LeaseTerms {
  readonly zk: ZooKeeper;
  /** The word for what is held, in messages. */
  readonly noun: string;
  /** Its directory. */
  readonly path: string;
  /** Our contender, for whose time it is held. */
  readonly node: OwnNode & { readonly stat: Pick<Stat, 'czxid'> };
  /** Default: the czxid of {@link node}. */
  readonly token?: bigint;
  readonly maxHoldMs: number | undefined;
  /** Gives the contender up, whatever it takes; called once. Never rejects. */
  readonly remove: () => Promise<void>;
  /** The lease was released. */
  readonly onReleased: () => void;
}

/**
 * A lock, a role, or what else one may hold, from the moment when it was acquired to `release`.
 *
 * It can be lost before its time: see {@link LossReason}. Three things tell, each for another use.
 * {@link signal} aborts, so that what waits stops waiting. {@link assertHeld} compares with the clock
 * at once, so it is right in the first line that runs after a process was stopped. And {@link token}
 * goes with every write to a store, which refuses one that is lower than it has seen: no clock can
 * replace that. Once lost a lease stays lost; release it all the same.
 */
export class Lease implements AsyncDisposable {
  /** What is held: the path of its directory. */
  readonly path: string;
  /** The contender's node. It exists exactly as long as the lease is ours, for all to see. */
  readonly nodePath: string;
  /** The session that holds. */
  readonly sessionId: bigint;
  /**
   * The fencing token: the czxid of the contender's node. Every later holder has a greater one, also
   * after the directory was removed and made anew.
   */
  readonly token: bigint;
  /** Aborts with a {@link LeaseLostError} when the lease is lost. Not at its release. */
  readonly signal: AbortSignal;

  /** @internal */
  protected readonly terms: LeaseTerms;
  /** On the clock's monotonic time. Infinity: no limit. */
  protected readonly heldUntilMs: number;
  private readonly lossController = new AbortController();
  private readonly watchController = new AbortController();
  private readonly stopListening: () => void;
  private timer: Timer | null = null;
  private loss: LossReason | null = null;
  private releasing: Promise<void> | null = null;

  /** @internal Made by a recipe's `acquire`. The session must be certain. */
  constructor(terms: LeaseTerms) {
    const { zk, node, maxHoldMs = Infinity } = terms;
    this.terms = terms;
    this.path = terms.path;
    this.nodePath = node.path;
    this.sessionId = node.sessionId;
    this.token = terms.token ?? node.stat.czxid;
    this.signal = this.lossController.signal;
    // Whatever the holder calls may listen to it, and Node takes more than ten for a leak.
    setMaxListeners(0, this.signal);
    this.heldUntilMs = zk.clock.monotonicMs() + maxHoldMs;
    const held = zk.holdSignal(this.sessionId);
    const onUncertain = () => this.lose(this.sessionLoss());
    held.addEventListener('abort', onUncertain, { once: true });
    this.stopListening = () => held.removeEventListener('abort', onUncertain);
    if (maxHoldMs !== Infinity) this.timer = zk.clock.setTimer(maxHoldMs, () => this.look());
    void this.watchNode();
  }

  /**
   * Whether it is held: a comparison with the clock, made now. False from a little before the
   * servers can give the lock to another, except for what no client can know (see README).
   */
  get isHeld(): boolean {
    this.look();
    return this.loss === null && this.releasing === null;
  }

  /** Why the lease was lost; null if it was not, or not before it was released. */
  get lost(): LossReason | null {
    this.look();
    return this.loss;
  }

  /**
   * Nothing, if it is held. To be called right before each write, without an `await` between.
   *
   * @throws {LeaseLostError} It is not. {@link signal} has aborted, unless by `released`.
   */
  assertHeld(): void {
    if (!this.isHeld) throw this.lostError(this.loss ?? 'released');
  }

  /**
   * Collects operations that the server applies only while the lease is ours.
   *
   * It is a transaction whose first operation checks the contender's node: once that is gone, or was
   * written to, nothing of it is applied, however late it arrives. Results begin with that check's.
   * Its `commit` throws LeaseLostError (`notApplied`) when the check fails or the lease was lost.
   */
  transaction(): Transaction<[undefined]> {
    const guarded = this.terms.zk.transaction().check(this.nodePath, { version: 0 });
    const commit = guarded.commit.bind(guarded);
    guarded.commit = async (options?: CallOptions) => {
      this.assertHeld();
      try {
        return await commit({ ...options, inSession: this.sessionId });
      } catch (error) {
        if (!(error instanceof TransactionFailedError) || error.index !== 0) throw error;
        throw this.lossBehind(error.cause, error) ?? error;
      }
    };
    return guarded;
  }

  /**
   * Gives it up: the next contender is served. Call it also after a loss.
   *
   * Never rejects. Resolves when the server has deleted the node or the session is over; without a
   * connection at once: the node is then deleted in the background as soon as there is one.
   */
  release(): Promise<void> {
    this.releasing ??= this.end();
    return this.releasing;
  }

  /** As {@link release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** @internal Ends the lease from outside; the node stays until the release. */
  lose(reason: LossReason): void {
    if (this.loss !== null || this.releasing !== null) return;
    this.loss = reason;
    this.timer?.cancel();
    this.lossController.abort(this.lostError(reason));
  }

  /** @internal For work that was going on when the lease was lost. */
  lostError(reason: LossReason, outcome?: 'unknown', cause?: unknown): LeaseLostError {
    const facts = { reason, token: this.token, cause, noun: this.terms.noun };
    return new LeaseLostError(this.path, outcome === undefined ? facts : { ...facts, outcome });
  }

  private async end(): Promise<void> {
    this.timer?.cancel();
    this.stopListening();
    await this.giveUp();
    // By now the deletion has fired the watch, unless the session is over; then nobody watches.
    this.watchController.abort(RELEASED);
    this.terms.onReleased();
  }

  private look(): void {
    if (this.loss !== null || this.releasing !== null) return;
    const { zk } = this.terms;
    if (zk.clock.monotonicMs() >= this.heldUntilMs) this.lose('maxHold');
    else if (!zk.isSessionCertain(this.sessionId)) this.lose(this.sessionLoss());
  }

  private sessionLoss(): LossReason {
    return this.terms.zk.sessionId === this.sessionId ? 'uncertain' : 'sessionLost';
  }

  private async watchNode(): Promise<void> {
    const own = { path: this.nodePath, sessionId: this.sessionId };
    const seen = await whenTouched(this.terms.zk, own, this.watchController.signal);
    if (seen === 'deleted') this.lose('nodeDeleted');
    else if (seen === 'written') this.lose('revoked');
  }

  /**
   * @internal The loss that the server's answer to an operation on the contender's node tells of;
   * null: it tells of none.
   */
  lossBehind(refusal: unknown, cause: unknown): LeaseLostError | null {
    if (refusal instanceof NoNodeError) this.lose('nodeDeleted');
    else if (refusal instanceof BadVersionError) this.lose('revoked');
    else return null;
    return this.lostError(this.loss ?? 'released', undefined, cause);
  }

  /** Gives the contender up, at the release. Never rejects. */
  protected giveUp(): Promise<void> {
    return this.terms.remove();
  }
}
