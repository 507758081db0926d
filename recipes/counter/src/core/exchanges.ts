import {
  ConnectionLossError,
  DeadlineExceededError,
  SessionExpiredError,
  type Acl,
  type CoordinationError,
  type ZooKeeper,
} from '@aviary/client';
import type { Log, Random } from '@aviary/foundation';
import {
  Acquisition,
  BusyError,
  ShuttingDownError,
  TimeLimit,
  UnavailableError,
  WaitTimeoutError,
  backoffMs,
  exclusive,
  pause,
  type Lease,
  type Receipts,
  type Removals,
  type TimeLimits,
} from '@aviary/coordination';
import { CounterContendedError, CountersClosedError } from './counter-errors.js';
import { Turns } from './turns.js';
import { VersionedNode, type Seen } from './versioned-node.js';

const FIRST_PAUSE_MS = 5;
const PAUSE_MS_MAX = 500;

/** Contenders for the right to change a counter stand in the layout of Curator's mutex. */
const MUTEX = exclusive('lock-');
const LOCK_ERRORS = {
  Busy: BusyError,
  Timeout: WaitTimeoutError,
  Unavailable: UnavailableError,
  ShuttingDown: ShuttingDownError,
};

/** What {@link Exchanges} work with. */
export interface ExchangeTerms {
  readonly zk: ZooKeeper;
  readonly acl: readonly Acl[] | undefined;
  readonly identity: string;
  readonly receipts: Receipts | null;
  readonly removals: Removals;
  readonly random: Random;
  readonly log: Log;
  /** So often without a lock, and then so often under it. */
  readonly tries: number;
  /** For calls that say nothing else. */
  readonly waitMs: number;
}

/** Where one value stands. */
export interface ExchangePlace {
  readonly path: string;
  /** The directory of the lock to which many tries are promoted; null: they end with an error. */
  readonly lockPath: string | null;
}

/** What became of one change. */
export interface Change {
  /** As the node was before. */
  readonly seen: Seen;
  /** What was written, or may have been; null: nothing was to be written. */
  readonly data: Buffer | null;
  /** The version of the node that is or would be ours; null: nobody knows, or there is none. */
  readonly version: number | null;
  /** Why nobody knows whether it was written; null: it was. */
  readonly ambiguity: CoordinationError | null;
  readonly tries: number;
}

/** A row of tries at one value. */
interface Tries {
  readonly path: string;
  /** The number of the first one. */
  readonly firstTry: number;
  /** The lock whose queue is respected; null: it is ours, or there is none. */
  readonly gatePath: string | null;
}

/**
 * Changes values that others change, too: read, decide, write if nobody else was faster, and again. After
 * some tries it takes a lock, so that those who are many get their turn.
 */
export class Exchanges {
  private readonly terms: ExchangeTerms;
  private readonly turns = new Turns();
  private readonly closing = new AbortController();

  constructor(terms: ExchangeTerms) {
    this.terms = terms;
  }

  get zk(): ZooKeeper {
    return this.terms.zk;
  }

  node(path: string): VersionedNode {
    const { zk, acl, receipts } = this.terms;
    return new VersionedNode({ zk, path, acl, receipts });
  }

  /** The time that a call has. */
  limit({ waitMs = this.terms.waitMs, signal }: TimeLimits): TimeLimit {
    return new TimeLimit(this.terms.zk.clock, { waitMs, signal });
  }

  /**
   * Changes the value at `place` once.
   *
   * @param decide What to write instead of what was seen; null: nothing, which ends it. It may be called
   * several times, and throw.
   * @throws only if nothing was written: whatever may have been is a result.
   */
  async change(
    place: ExchangePlace,
    limits: TimeLimits,
    decide: (seen: Seen) => Buffer | null,
  ): Promise<Change> {
    const limit = this.limit(limits);
    this.assertOpen(place.path);
    return this.turns.run(place.path, limit, async () => {
      const { tries } = this.terms;
      const { path, lockPath } = place;
      const first = await this.tryOften({ path, firstTry: 1, gatePath: lockPath }, limit, decide);
      if (first !== null) return first;
      if (lockPath === null) throw new CounterContendedError(path, tries);
      const lease = await this.promote(path, lockPath, limit);
      try {
        const terms = { path, firstTry: tries + 1, gatePath: null };
        const second = await this.tryOften(terms, limit, decide);
        if (second !== null) return second;
        throw new CounterContendedError(place.path, 2 * tries);
      } finally {
        // Nobody's time is spent on it: it goes on behind the call, and the end waits for it.
        void lease.release();
      }
    });
  }

  /** Refuses new changes, and waits until those under way have ended. Never rejects. */
  async close(limit: TimeLimit): Promise<void> {
    this.closing.abort();
    await limit.race(this.turns.whenIdle());
  }

  /** null: others were faster, each time, or some of them stand in the queue for the lock. */
  private async tryOften(
    { path, firstTry, gatePath }: Tries,
    limit: TimeLimit,
    decide: (seen: Seen) => Buffer | null,
  ): Promise<Change | null> {
    const { tries: triesMax, random, zk } = this.terms;
    const node = this.node(path);
    for (let at = 0; at < triesMax; at++) {
      const tries = firstTry + at;
      this.assertOpen(path);
      limit.assertLeft('counter', path);
      const [seen, isQueued] = await this.look(node, gatePath, at > 0, limit);
      if (isQueued) return null;
      const data = decide(seen);
      if (data === null) return { seen, data, version: null, ambiguity: null, tries };
      const exchange = await node.exchange(seen, data, limit);
      if (exchange.outcome !== 'conflict') {
        const ambiguity = exchange.outcome === 'ambiguous' ? exchange.cause : null;
        return { seen, data, version: exchange.version, ambiguity, tries };
      }
      const pauseMs = backoffMs(at + 1, { firstMs: FIRST_PAUSE_MS, maxMs: PAUSE_MS_MAX, random });
      await pause(zk.clock, Math.min(pauseMs, limit.restMs), limit.signal);
    }
    return null;
  }

  /**
   * The node, if need be after the connection has come back, and whether somebody stands in the queue
   * for the lock: then everybody queues, or those who are fast would never let him write.
   */
  private async look(
    node: VersionedNode,
    gatePath: string | null,
    isLate: boolean,
    limit: TimeLimit,
  ): Promise<readonly [Seen, boolean]> {
    const { zk } = this.terms;
    for (;;) {
      try {
        // A follower may lag: who was too late once would be so for ever. All go out together.
        const synced = isLate ? zk.sync(node.path, limit.rest()) : null;
        const gate = gatePath === null ? null : zk.exists(gatePath, limit.rest());
        const [, seen, stat] = await Promise.all([synced, node.read(limit), gate]);
        return [seen, (stat?.numChildren ?? 0) > 0];
      } catch (error) {
        const mayPass =
          error instanceof ConnectionLossError || error instanceof SessionExpiredError;
        if (!mayPass || limit.isOver) throw error;
      }
    }
  }

  private async promote(path: string, lockPath: string, limit: TimeLimit): Promise<Lease> {
    const { zk, acl, identity, removals, log } = this.terms;
    const { signal } = limit;
    const restMs = Math.ceil(limit.restMs);
    const attempt = new Acquisition({
      zk,
      noun: 'counter lock',
      path: lockPath,
      discipline: MUTEX,
      errors: LOCK_ERRORS,
      identity,
      acl,
      waitMs: restMs === Infinity ? undefined : restMs,
      attemptMs: restMs,
      maxHoldMs: undefined,
      signal,
      removals,
      onForeignContender: 'throw',
      log,
      onHeld: () => undefined,
      onReleased: () => undefined,
    });
    const onClose = (): void => attempt.close();
    this.closing.signal.addEventListener('abort', onClose, { once: true });
    try {
      return await attempt.run();
    } catch (error) {
      throw lockFailure(path, error);
    } finally {
      this.closing.signal.removeEventListener('abort', onClose);
    }
  }

  private assertOpen(path: string): void {
    if (this.closing.signal.aborted) throw new CountersClosedError(path);
  }
}

/** What the caller of a counter is told, who did not ask for a lock. */
function lockFailure(path: string, error: unknown): unknown {
  if (error instanceof ShuttingDownError) return new CountersClosedError(path);
  const isLate =
    error instanceof BusyError ||
    error instanceof WaitTimeoutError ||
    error instanceof UnavailableError;
  if (!isLate) return error;
  const facts = { outcome: 'notApplied', operation: 'counter', path, cause: error } as const;
  return new DeadlineExceededError(`counter ${path}: ${error.message}`, facts);
}
