import { setMaxListeners } from 'node:events';
import {
  AbortedError,
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  SessionExpiredError,
} from '@aviary/client';
import { randomBelow } from '@aviary/foundation';
import { TimeLimit, pause } from '@aviary/coordination';
import type { ConsumeOptions } from './consume-options.js';
import type { ItemName } from './item-names.js';
import { ItemWorker, type ConsumerWork } from './item-worker.js';
import { Places } from './places.js';
import { awaitChange, lookAt } from './queue-look.js';
import type { QueueTerms } from './queue-terms.js';

/** The pause after a refusal of the server, which it would only repeat. */
const REFUSED_PAUSE_MS = 1_000;
/**
 * The more others are after the same items, the longer the pause before one is tried: at most 2^9
 * milliseconds. Of many who are idle the first comes soon all the same.
 */
const RIVALRY_MAX = 9;

/**
 * Takes items of one queue, as many at a time as it may, and hands them on.
 *
 * Consumers do not know one another. Each tries the first free items; who loses one to another pauses a random
 * moment, looks again, and next time tries one at random among the first. So a new item wakes all who are
 * idle, but they do not all go for it again and again.
 */
export class Consumer {
  private readonly terms: QueueTerms;
  private readonly worker: ItemWorker;
  private readonly places: Places;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private readonly working = new Map<string, Promise<void>>();
  private readonly resting = new Set<string>();
  private waiting: AbortController | null = null;
  private rivalry = 0;
  private running: Promise<void> | null = null;

  constructor(terms: QueueTerms, work: ConsumerWork, options: ConsumeOptions) {
    const signals = { stopping: this.stopping.signal, ending: this.ending.signal };
    // Every item listens to them, and Node takes more than ten for a leak.
    for (const signal of Object.values(signals)) setMaxListeners(0, signal);
    this.terms = terms;
    this.worker = new ItemWorker(terms, work, options, signals);
    this.places = new Places(options.concurrency ?? 1);
  }

  /** How many items it has claimed just now: those that wait for their next attempt, too. */
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
    this.places.wake();
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
        if (error instanceof ClosedError) return;
        if (error instanceof AuthFailedError) {
          log.error(`the queue ${path} is not consumed: the credentials were refused`, { error });
          return;
        }
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
      if (this.places.free === 0) {
        await this.places.whenFree();
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
    const chosen = this.choose(free, this.places.free);
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
    let isTaken: (taken: boolean) => void = () => undefined;
    const taken = new Promise<boolean>((resolve) => {
      isTaken = resolve;
    });
    const place = this.places.enter();
    const whole = this.worker
      .work(item, sessionId, place, isTaken)
      .catch((error: unknown) => {
        this.failed(item, error);
        return true;
      })
      .then((mayBeThere) => {
        isTaken(false);
        this.working.delete(item.name);
        place.leave();
        // Who looked meanwhile has passed it over.
        if (mayBeThere) this.waiting?.abort();
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
}

function isPassing(error: unknown): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}
