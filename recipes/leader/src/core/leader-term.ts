import { setMaxListeners } from 'node:events';
import { pause, type Lease, type LossReason } from '@aviary/coordination';
import type { Transaction } from '@aviary/client';
import type { Clock } from '@aviary/foundation';
import { NotLeaderError } from './leader-errors.js';

/** What a term is made of. */
export interface TermFacts {
  readonly role: string;
  readonly id: string;
  readonly resumed: number;
  readonly lease: Lease;
  readonly clock: Clock;
}

/**
 * The time for which this process leads a role.
 *
 * It ends at the latest when the servers may let another one lead, and before that if it is told to
 * step down. {@link signal} aborts then, and no new work begins. Where the role is still ours (it was
 * resigned, revoked, or the process shuts down) it is kept until the work that runs has ended, but no
 * longer than the grace period: until then {@link isHeld} and guarded transactions go on.
 */
export class LeaderTerm {
  readonly role: string;
  /** What this process is called among those who take part. */
  readonly id: string;
  /**
   * How many terms before this one had the same {@link token}: 0, unless the connection broke. The
   * pair of both is greater for every later term, whoever's it is.
   */
  readonly resumed: number;
  /** When it began, by this process's clock. */
  readonly since: Date;
  /** Aborts with a LeaseLostError when the term ends, for whatever reason. Then stop. */
  readonly signal: AbortSignal;
  private readonly lease: Lease;
  private readonly clock: Clock;
  private readonly controller = new AbortController();
  private reason: LossReason | null = null;
  private running = 0;
  private whenIdle: (() => void) | null = null;

  /** @internal */
  constructor({ role, id, resumed, lease, clock }: TermFacts) {
    this.role = role;
    this.id = id;
    this.resumed = resumed;
    this.lease = lease;
    this.clock = clock;
    this.since = new Date(clock.wallMs());
    this.signal = this.controller.signal;
    // All work of the term may listen to it, and Node takes more than ten for a leak.
    setMaxListeners(0, this.signal);
    const onLost = () => this.end(lease.lost ?? 'released');
    if (lease.signal.aborted) onLost();
    else lease.signal.addEventListener('abort', onLost, { once: true });
  }

  /** The role's directory. */
  get path(): string {
    return this.lease.path;
  }

  /** Our node: the role is ours as long as it stands first. */
  get nodePath(): string {
    return this.lease.nodePath;
  }

  get sessionId(): bigint {
    return this.lease.sessionId;
  }

  /**
   * The fencing token: the czxid of our node. Every later leader's is greater.
   *
   * After a broken connection this process may lead again with the same: the place in the queue was
   * kept, so nobody led in between, and the work of the term before had ended. A store that shall also
   * refuse what that sent, and what is still on its way, compares {@link resumed} where tokens are equal.
   */
  get token(): bigint {
    return this.lease.token;
  }

  /** Whether the role is ours: a comparison with the clock, made now. */
  get isHeld(): boolean {
    return this.lease.isHeld;
  }

  /** Whether work may begin: the role is ours, and nobody asked for it. Compares with the clock. */
  get isOpen(): boolean {
    return this.lease.isHeld && this.reason === null;
  }

  /** Why the term ended; null: it has not. */
  get ended(): LossReason | null {
    const { lost } = this.lease;
    if (lost !== null) this.end(lost);
    return this.reason;
  }

  /** How much of its work runs. */
  get workCount(): number {
    return this.running;
  }

  /**
   * Nothing, if the role is ours. To be called right before each write, without an `await` between.
   *
   * @throws {LeaseLostError}
   */
  assertHeld(): void {
    this.lease.assertHeld();
  }

  /**
   * Collects operations that the servers apply only while the role is ours: the first checks our node.
   *
   * @see Lease.transaction
   */
  transaction(): Transaction<[undefined]> {
    return this.lease.transaction();
  }

  /**
   * Runs work that belongs to the term: when it ends, the role is kept until the work has ended too.
   *
   * @throws {NotLeaderError} The term has ended; `work` was not called. And what `work` throws.
   */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    const leave = this.enter();
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /**
   * As {@link run}, for work that is no promise.
   *
   * @returns To be called when the work has ended; a second call does nothing.
   * @throws {NotLeaderError} The term has ended.
   */
  enter(): () => void {
    if (!this.isOpen) throw new NotLeaderError(this.role, this.path);
    return this.track();
  }

  /** @internal As {@link enter}, also for a term that has ended: for those who are told of that. */
  track(): () => void {
    this.running++;
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      if (--this.running === 0) this.whenIdle?.();
    };
  }

  /** @internal What work rejects with if the role was not ours all the time; null: it was. */
  lossOf(cause?: unknown): Error | null {
    const { lease } = this;
    if (lease.isHeld) return null;
    return lease.lostError(lease.lost ?? this.reason ?? 'released', 'unknown', cause);
  }

  /** @internal Ends the term; the role stays ours until {@link drain} is over. */
  end(reason: LossReason): void {
    if (this.reason !== null) return;
    this.reason = reason;
    this.controller.abort(this.lease.lostError(reason));
  }

  /** @internal Resolves when the work has ended, with true, or with false after `graceMs`. */
  async drain(graceMs: number): Promise<boolean> {
    // Those who are told of the end by the signal begin to clean up in this turn.
    await Promise.resolve();
    if (this.running === 0) return true;
    const idle = new Promise<void>((resolve) => (this.whenIdle = resolve));
    if (graceMs === Infinity) await idle;
    else {
      const over = new AbortController();
      await Promise.race([idle, pause(this.clock, graceMs, over.signal)]);
      over.abort();
    }
    return this.running === 0;
  }
}
