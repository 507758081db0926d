import {
  AbortedError,
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  SessionExpiredError,
} from '@aviary/client';
import { randomBelow } from '@aviary/foundation';
import { TimeLimit, backoffMs, pause } from '@aviary/coordination';
import { Claim } from './claim.js';
import { bury } from './dead-letters.js';
import { ClaimedDelivery, TakenDelivery, deliverySignal, type Delivery } from './delivery.js';
import type { ItemName } from './item-names.js';
import { ItemFormatError, RejectItemError } from './queue-errors.js';
import { awaitChange, lookAt } from './queue-look.js';
import type { QueueTerms } from './queue-terms.js';
import { takeOut } from './take-out.js';

/** How items are consumed. Times are in milliseconds. */
export interface ConsumeOptions {
  /** How many items are worked on at the same time. Default: 1. */
  readonly concurrency?: number | undefined;
  /**
   * `at-least-once`: an item goes when its handler has succeeded; if the process dies it is delivered again.
   * `at-most-once`: it goes before it is delivered, as in Curator's queues without a `lockPath`.
   * Default: `at-least-once`.
   */
  readonly mode?: 'at-least-once' | 'at-most-once' | undefined;
  /** How often an item is delivered before it goes to the dead letters. Default: 5. */
  readonly attempts?: number | undefined;
  /** The limit of the pause before the second attempt; it doubles. Default: 200. */
  readonly backoffMs?: number | undefined;
  /** No pause is longer. Default: 30,000. */
  readonly backoffMsMax?: number | undefined;
}

/** The messages of one node. */
export interface Batch {
  /** How many messages there are. */
  readonly size: number;
  /** Works on one of them; it has succeeded when what this returns is there. */
  handle(at: number, delivery: Delivery): unknown;
  /** The bytes of a node with the messages from `at` on. */
  rest(at: number): Uint8Array;
}

/** What a {@link Consumer} does with items. */
export interface ConsumerWork {
  /** @throws {ItemFormatError} and whatever the codec throws. */
  open(data: Buffer, path: string): Batch;
  idOf(item: ItemName, czxid: bigint): string;
}

const BACKOFF_MS_DEFAULT = 200;
const BACKOFF_MS_MAX_DEFAULT = 30_000;
const ATTEMPTS_DEFAULT = 5;
/** The pause after a refusal of the server, which it would only repeat. */
const REFUSED_PAUSE_MS = 1_000;
/**
 * The more others are after the same items, the longer the pause before one is tried: at most 2^9
 * milliseconds. Of many who are idle the first comes soon all the same.
 */
const RIVALRY_MAX = 9;

/** The consumer was ended while a handler ran. */
const STOPPED = Symbol('stopped');

/**
 * Takes items of one queue, as many at a time as it may, and hands them on.
 *
 * Consumers do not know one another. Each tries the first free items; who loses one to another pauses a random
 * moment, looks again, and next time tries one at random among the first. So a new item wakes all who are
 * idle, but they do not all go for it again and again.
 */
export class Consumer {
  private readonly terms: QueueTerms;
  private readonly work: ConsumerWork;
  private readonly concurrency: number;
  private readonly options: ConsumeOptions;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private readonly ended: Promise<typeof STOPPED>;
  private readonly working = new Map<string, Promise<void>>();
  private readonly resting = new Set<string>();
  private onFreed: (() => void) | null = null;
  private waiting: AbortController | null = null;
  private rivalry = 0;
  private running: Promise<void> | null = null;

  constructor(terms: QueueTerms, work: ConsumerWork, options: ConsumeOptions) {
    this.terms = terms;
    this.work = work;
    this.options = options;
    this.concurrency = options.concurrency ?? 1;
    this.ended = new Promise((resolve) => {
      this.ending.signal.addEventListener('abort', () => resolve(STOPPED), { once: true });
    });
  }

  /** How many items it works on just now. */
  get size(): number {
    return this.working.size;
  }

  /** To be called once. */
  start(): void {
    this.running = this.run();
  }

  /** Takes no more items. Those that it works on go on. */
  stop(): void {
    this.stopping.abort();
    this.waiting?.abort();
    this.onFreed?.();
  }

  /**
   * As {@link stop}, and waits for the handlers that run, at most `deadlineMs`. Then the signals of their
   * deliveries abort, and the items are free for others. Never rejects.
   */
  async close(deadlineMs: number): Promise<void> {
    const { clock } = this.terms.zk;
    this.stop();
    const idle = async (): Promise<void> => {
      await this.running;
      await Promise.all(this.working.values());
    };
    const done = idle();
    await new TimeLimit(clock, { waitMs: deadlineMs }).race(done);
    this.ending.abort(new Error('the consumer is stopped'));
    // Releasing takes a round trip; without a connection the claims go with the session.
    await new TimeLimit(clock, { waitMs: REFUSED_PAUSE_MS }).race(done);
  }

  private async run(): Promise<void> {
    const { zk, log, path } = this.terms;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const connecting = { signal, deadlineMs: Infinity };
        const sessionId = zk.sessionId ?? (await zk.connect(connecting)).sessionId;
        await this.runInSession(sessionId);
      } catch (error) {
        if (error instanceof ClosedError || error instanceof AuthFailedError) return;
        if (isPassing(error) || error instanceof AbortedError) continue;
        log.error(`the queue ${path} cannot be consumed for now`, { error });
        await pause(zk.clock, REFUSED_PAUSE_MS, signal);
      }
    }
  }

  private async runInSession(sessionId: bigint): Promise<void> {
    const { signal } = this.stopping;
    const options = { inSession: sessionId, deadlineMs: Infinity, signal };
    while (!signal.aborted) {
      if (this.working.size >= this.concurrency) {
        await new Promise<void>((resolve) => (this.onFreed = resolve));
        continue;
      }
      const look = await lookAt(this.terms, options);
      const free = look.free.filter((item) => this.isWanted(item));
      if (free.length > 0 && (await this.claimSome(free, sessionId))) continue;
      if (free.length === 0) await this.awaitChange(sessionId);
      await this.stepAside();
    }
  }

  /** Until there may be something to take. */
  private async awaitChange(inSession: bigint): Promise<void> {
    const waiting = new AbortController();
    this.waiting = waiting;
    if (this.stopping.signal.aborted) waiting.abort();
    const options = { inSession, deadlineMs: Infinity, signal: waiting.signal };
    try {
      await awaitChange(this.terms, options, (item) => this.isWanted(item));
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error;
    }
  }

  private isWanted({ name }: ItemName): boolean {
    return !this.working.has(name) && !this.resting.has(name);
  }

  /** Lets others go ahead, if there are others. */
  private async stepAside(): Promise<void> {
    if (this.rivalry === 0) return;
    const pauseMs = randomBelow(this.terms.random, 2 ** this.rivalry);
    await pause(this.terms.zk.clock, pauseMs, this.stopping.signal);
  }

  /** true: at least one is ours. */
  private async claimSome(free: readonly ItemName[], sessionId: bigint): Promise<boolean> {
    const places = this.concurrency - this.working.size;
    const chosen = this.choose(free, places);
    const won = await Promise.all(chosen.map((item) => this.begin(item, sessionId)));
    for (const isOurs of won) {
      this.rivalry = isOurs
        ? Math.max(0, this.rivalry - 1)
        : Math.min(RIVALRY_MAX, this.rivalry + 1);
    }
    return won.includes(true);
  }

  /** The first ones, or among rivals some of the first. */
  private choose(free: readonly ItemName[], places: number): readonly ItemName[] {
    if (this.rivalry === 0) return free.slice(0, places);
    const rest = free.slice(0, places * 2 ** this.rivalry);
    const chosen: ItemName[] = [];
    while (chosen.length < places && rest.length > 0) {
      chosen.push(...rest.splice(randomBelow(this.terms.random, rest.length), 1));
    }
    return chosen;
  }

  /** Takes one item, and starts to work on it. false: somebody else has it. */
  private async begin(item: ItemName, sessionId: bigint): Promise<boolean> {
    const isOnce = this.options.mode === 'at-most-once';
    let isTaken: (taken: boolean) => void = () => undefined;
    const taken = new Promise<boolean>((resolve) => {
      isTaken = resolve;
    });
    const body = isOnce
      ? this.workOnce(item, sessionId, isTaken)
      : this.workOn(item, sessionId, isTaken);
    const whole = body
      .catch((error: unknown) => this.failed(item, error))
      .finally(() => {
        isTaken(false);
        this.working.delete(item.name);
        this.onFreed?.();
        this.onFreed = null;
      });
    this.working.set(item.name, whole);
    return taken;
  }

  /** What should not have happened happened: the item is left alone for a moment. */
  private failed(item: ItemName, error: unknown): void {
    if (isPassing(error) || error instanceof ClosedError) return;
    const { log, path, zk } = this.terms;
    log.error(`the item ${item.name} of ${path} cannot be worked on for now`, { error });
    this.resting.add(item.name);
    void pause(zk.clock, REFUSED_PAUSE_MS, this.stopping.signal).then(() => {
      this.resting.delete(item.name);
      this.waiting?.abort();
    });
  }

  private async workOn(
    item: ItemName,
    sessionId: bigint,
    isTaken: (taken: boolean) => void,
  ): Promise<void> {
    const claim = await Claim.take(this.terms, item, sessionId);
    isTaken(claim !== null);
    if (claim === null) return;
    if (this.stopping.signal.aborted) {
      await claim.release();
      return;
    }
    const { zk } = this.terms;
    const lifetime = deliverySignal(zk, sessionId, this.ending.signal);
    try {
      await this.attempt(claim, lifetime.signal);
    } finally {
      lifetime.release();
    }
  }

  private async attempt(claim: Claim, signal: AbortSignal): Promise<void> {
    const { terms, options } = this;
    const { attempts = ATTEMPTS_DEFAULT } = options;
    const id = this.work.idOf(claim.item, claim.czxid);
    if (claim.attempt > attempts) {
      const error = new RejectItemError(`${claim.attempt - 1} attempts have begun, and none ended`);
      await bury(terms, claim, { id, data: claim.data, error });
      return;
    }
    const batch = this.open(claim.data, claim.itemPath);
    if (batch instanceof Error) {
      await bury(terms, claim, { id, data: claim.data, error: batch });
      return;
    }
    for (let done = 0; ;) {
      // The answer that it is ours may have waited in the socket of a process that slept.
      if (!terms.zk.isSessionCertain(claim.sessionId)) {
        await claim.release();
        return;
      }
      const delivery = new ClaimedDelivery(terms.path, id, claim, signal);
      const failure = await this.handle(batch, done, delivery, () => done++);
      if (failure === null) {
        if ((await claim.done()) === 'lost') this.reportLost(claim);
        return;
      }
      if (failure === STOPPED || this.stopping.signal.aborted) {
        await claim.release();
        return;
      }
      const { error } = failure;
      if (isRejected(error) || claim.attempt >= attempts) {
        await bury(terms, claim, { id, data: batch.rest(done), error });
        return;
      }
      if (await this.backOff(claim, error)) {
        await claim.release();
        return;
      }
      if ((await claim.again()) === 'lost') {
        this.reportLost(claim);
        return;
      }
    }
  }

  /** null: all messages were handled. */
  private async handle(
    batch: Batch,
    from: number,
    delivery: Delivery,
    onDone: () => void,
  ): Promise<null | typeof STOPPED | { readonly error: unknown }> {
    for (let at = from; at < batch.size; at++) {
      try {
        const result = await Promise.race([batch.handle(at, delivery), this.ended]);
        if (result === STOPPED) return STOPPED;
        onDone();
      } catch (error) {
        return { error };
      }
    }
    return null;
  }

  /** Waits for the next attempt. true: there will be none, since the consumer stops. */
  private async backOff(claim: Claim, error: unknown): Promise<boolean> {
    const { zk, random, log } = this.terms;
    const { backoffMs: firstMs = BACKOFF_MS_DEFAULT } = this.options;
    const { backoffMsMax: maxMs = BACKOFF_MS_MAX_DEFAULT } = this.options;
    log.warn(`attempt ${claim.attempt} at ${claim.itemPath} failed: ${String(error)}`, { error });
    const pauseMs = backoffMs(claim.attempt, { firstMs, maxMs, random });
    await pause(zk.clock, pauseMs, this.stopping.signal);
    return this.stopping.signal.aborted;
  }

  private reportLost(claim: Claim): void {
    this.terms.log.warn(
      `the item ${claim.itemPath} was worked on, but its claim was lost meanwhile: it is delivered again`,
    );
  }

  private async workOnce(
    item: ItemName,
    sessionId: bigint,
    isTaken: (taken: boolean) => void,
  ): Promise<void> {
    const { terms } = this;
    const { zk, log, path } = terms;
    const taken = await takeOut(terms, item, new TimeLimit(zk.clock, {})).catch(
      (error: unknown) => {
        if (!(error instanceof CoordinationError) || error.outcome !== 'unknown') throw error;
        log.error(`the item ${item.name} of ${path} may be lost: was it deleted?`, { error });
        return null;
      },
    );
    isTaken(taken !== null);
    if (taken === null) return;
    const batch = this.open(taken.data, item.name);
    if (batch instanceof Error) throw batch;
    const lifetime = deliverySignal(zk, sessionId, this.ending.signal);
    try {
      const id = this.work.idOf(item, taken.czxid);
      for (let at = 0; at < batch.size; at++) {
        const delivery = new TakenDelivery(path, id, lifetime.signal);
        const failure = await this.handle(batch, at, delivery, () => at++);
        if (failure === null) return;
        const error = failure === STOPPED ? 'the consumer was stopped' : failure.error;
        log.error(`message ${at} of the item ${id} of ${path} failed, and is gone`, { error });
        if (failure === STOPPED) return;
      }
    } finally {
      lifetime.release();
    }
  }

  private open(data: Buffer, path: string): Batch | Error {
    try {
      return this.work.open(data, path);
    } catch (error) {
      return error instanceof Error ? error : new ItemFormatError(path, String(error));
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}

/** Whether an error, or what it came from, is that of a handler that rejects the item. */
function isRejected(error: unknown): boolean {
  let at: unknown = error;
  // A chain of causes may be a circle.
  for (let depth = 0; at instanceof Error && depth < 10; depth++) {
    if (at instanceof RejectItemError || at instanceof ItemFormatError) return true;
    at = at.cause;
  }
  return false;
}
