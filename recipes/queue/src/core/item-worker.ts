import { CoordinationError } from '@aviary/client';
import { TimeLimit, backoffMs, pause } from '@aviary/coordination';
import { Claim, type Settlement } from './claim.js';
import type { ConsumeOptions } from './consume-options.js';
import { bury } from './dead-letters.js';
import { ClaimedDelivery, TakenDelivery, deliverySignal, type Delivery } from './delivery.js';
import type { ItemName } from './item-names.js';
import type { Place } from './places.js';
import { ItemFormatError, RejectItemError } from './queue-errors.js';
import type { QueueTerms } from './queue-terms.js';
import { takeOut } from './take-out.js';

/** The messages of one node. */
export interface Batch {
  /** How many messages there are. */
  readonly size: number;
  /** Works on one of them; it has succeeded when what this returns is there. */
  handle(at: number, delivery: Delivery): unknown;
  /** The bytes of a node with the messages from `at` on. */
  rest(at: number): Uint8Array;
}

/** What a consumer does with items. */
export interface ConsumerWork {
  /** @throws {ItemFormatError} and whatever the codec throws. */
  open(data: Buffer, path: string): Batch;
  idOf(item: ItemName, czxid: bigint): string;
}

/** When a consumer ends. */
export interface ConsumerSignals {
  /** It takes no more items, and begins no more attempts. */
  readonly stopping: AbortSignal;
  /** It does not wait any longer for handlers that run. */
  readonly ending: AbortSignal;
}

const BACKOFF_MS_DEFAULT = 200;
const BACKOFF_MS_MAX_DEFAULT = 30_000;
const ATTEMPTS_DEFAULT = 5;

/** The consumer was ended while a handler ran. */
const STOPPED = Symbol('stopped');

/** Works on single items: takes them, hands them on until that has succeeded, and ends them. */
export class ItemWorker {
  private readonly terms: QueueTerms;
  private readonly messages: ConsumerWork;
  private readonly options: ConsumeOptions;
  private readonly signals: ConsumerSignals;

  constructor(
    terms: QueueTerms,
    messages: ConsumerWork,
    options: ConsumeOptions,
    signals: ConsumerSignals,
  ) {
    this.terms = terms;
    this.messages = messages;
    this.options = options;
    this.signals = signals;
  }

  /**
   * Takes an item, and works on it until nothing more is to be done here.
   *
   * @param isTaken Is told whether it was taken, before anything else is done.
   * @returns Whether it may still be there, for whoever takes it next.
   * @throws what the servers refuse. If it was claimed, it is free again.
   */
  work(
    item: ItemName,
    sessionId: bigint,
    place: Place,
    isTaken: (taken: boolean) => void,
  ): Promise<boolean> {
    return this.options.mode === 'at-most-once'
      ? this.workOnce(item, sessionId, isTaken)
      : this.workOn(item, sessionId, place, isTaken);
  }

  private async workOn(
    item: ItemName,
    sessionId: bigint,
    place: Place,
    isTaken: (taken: boolean) => void,
  ): Promise<boolean> {
    const claim = await Claim.take(this.terms, item, sessionId);
    isTaken(claim !== null);
    if (claim === null) return true;
    try {
      return await this.attempts(claim, place);
    } catch (error) {
      // While the claim stands nobody can work on the item, and we do not.
      await claim.release().catch(() => undefined);
      throw error;
    }
  }

  private async attempts(claim: Claim, place: Place): Promise<boolean> {
    const { terms, signals } = this;
    const { attempts = ATTEMPTS_DEFAULT } = this.options;
    const id = this.messages.idOf(claim.item, claim.czxid);
    const putAside = async (data: Uint8Array, error: unknown): Promise<boolean> =>
      (await bury(terms, claim, { id, data, error })) === 'lost';
    if (claim.attempt > attempts) {
      const problem = `${claim.attempt - 1} attempts have begun, and none ended`;
      return putAside(claim.data, new RejectItemError(problem));
    }
    const batch = this.open(claim.data, claim.itemPath);
    if (batch instanceof Error) return putAside(claim.data, batch);
    const deliver = (signal: AbortSignal) => new ClaimedDelivery(terms.path, id, claim, signal);
    for (let done = 0; ;) {
      // The answer that it is ours may have waited in the socket of a process that slept.
      if (signals.stopping.aborted || !terms.zk.isSessionCertain(claim.sessionId)) break;
      const failure = await this.handle(batch, done, claim.sessionId, deliver, () => done++);
      if (failure === null) return this.isLost(claim, await claim.done());
      if (failure === STOPPED) break;
      const { error } = failure;
      if (isRejected(error) || claim.attempt >= attempts) return putAside(batch.rest(done), error);
      if (!(await this.backOff(claim, place, error))) break;
      if (this.isLost(claim, await claim.again())) return true;
    }
    await claim.release();
    return true;
  }

  /** Hands messages on, from `from` on. null: all were handled. */
  private async handle(
    batch: Batch,
    from: number,
    sessionId: bigint,
    deliver: (signal: AbortSignal) => Delivery,
    onDone: () => void,
  ): Promise<null | typeof STOPPED | { readonly error: unknown }> {
    const { ending } = this.signals;
    // Of its own for each attempt: one that has aborted stays so, although the session may live on.
    const lifetime = deliverySignal(this.terms.zk, sessionId, ending);
    try {
      const delivery = deliver(lifetime.signal);
      for (let at = from; at < batch.size; at++) {
        if ((await orStopped(batch.handle(at, delivery), ending)) === STOPPED) return STOPPED;
        onDone();
      }
      return null;
    } catch (error) {
      return { error };
    } finally {
      lifetime.release();
    }
  }

  /** Waits for the next attempt; others may be worked on meanwhile. false: there is to be none. */
  private async backOff(claim: Claim, place: Place, error: unknown): Promise<boolean> {
    const { zk, random, log } = this.terms;
    const { stopping } = this.signals;
    const { backoffMs: firstMs = BACKOFF_MS_DEFAULT } = this.options;
    const { backoffMsMax: maxMs = BACKOFF_MS_MAX_DEFAULT } = this.options;
    log.warn(`attempt ${claim.attempt} at ${claim.itemPath} failed: ${String(error)}`, { error });
    const pauseMs = backoffMs(claim.attempt, { firstMs, maxMs, random });
    await place.lendDuring(() => pause(zk.clock, pauseMs, stopping), stopping);
    return !stopping.aborted;
  }

  private isLost({ itemPath }: Claim, settlement: Settlement): boolean {
    if (settlement === 'done') return false;
    this.terms.log.warn(
      `the item ${itemPath} was worked on, but its claim was lost meanwhile: ` +
        'unless somebody removed it, it is delivered again',
    );
    return true;
  }

  private async workOnce(
    item: ItemName,
    sessionId: bigint,
    isTaken: (taken: boolean) => void,
  ): Promise<boolean> {
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
    if (taken === null) return true;
    const id = this.messages.idOf(item, taken.czxid);
    const batch = this.open(taken.data, item.name);
    if (batch instanceof Error) {
      log.error(`the item ${id} of ${path} cannot be read, and is gone`, { error: batch });
      return false;
    }
    const deliver = (signal: AbortSignal) => new TakenDelivery(path, id, signal);
    for (let at = 0; at < batch.size; at++) {
      const failure = await this.handle(batch, at, sessionId, deliver, () => at++);
      if (failure === null) break;
      const error = failure === STOPPED ? 'the consumer was stopped' : failure.error;
      log.error(`message ${at} of the item ${id} of ${path} failed, and is gone`, { error });
      if (failure === STOPPED) break;
    }
    return false;
  }

  private open(data: Buffer, path: string): Batch | Error {
    try {
      return this.messages.open(data, path);
    } catch (error) {
      return error instanceof Error ? error : new ItemFormatError(path, String(error));
    }
  }
}

/**
 * What `result` comes to, or STOPPED once `stop` aborts. It leaves no listener: a promise of the
 * consumer to race with would keep every result for as long as the consumer lives.
 */
function orStopped(result: unknown, stop: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onStop = (): void => resolve(STOPPED);
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    Promise.resolve(result)
      .finally(() => stop.removeEventListener('abort', onStop))
      .then(resolve, reject);
  });
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
