import { setMaxListeners } from 'node:events';
import {
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  InvalidArgumentError,
  NoNodeError,
  SessionExpiredError,
  TransactionFailedError,
} from '@aviary/client';
import { childPath } from '@aviary/foundation';
import { TimeLimit, type TimeLimits } from '@aviary/coordination';
import { checkConsumeOptions, type ConsumeOptions } from './consume-options.js';
import { Consumer } from './consumer.js';
import { deadLettersOf, replayOf, type DeadLetter } from './dead-letters.js';
import type { Delivery } from './delivery.js';
import { decodeItems, encodeItems } from './item-bytes.js';
import type { ItemCodec } from './item-codec.js';
import { countItems, itemsInOrder, nameOfId, newItemName, type ItemName } from './item-names.js';
import type { Batch } from './item-worker.js';
import { nullIfGone } from './null-if-gone.js';
import { checkId, checkPutOptions, type PutOptions } from './put-options.js';
import { MessageEncodingError, QueueFullError, QueuesClosedError } from './queue-errors.js';
import { awaitChange, lookAt } from './queue-look.js';
import type { QueueTerms } from './queue-terms.js';
import { inspectQueue, type QueueView } from './queue-view.js';
import { takeOut, type TakenOut } from './take-out.js';

/** What became of an item that was put. */
export interface PutResult {
  /** The node of the item; null: it was put, but the answer with its name was lost, or it is ambiguous. */
  readonly path: string | null;
  /** As in `Delivery.id`; null where it is not known, as {@link path}. */
  readonly id: string | null;
  /**
   * Whether nobody can find out if it was put: the connection broke before the answer, and the session, or
   * the time of the call, ended before anybody could look. It was put once or not at all.
   */
  readonly ambiguous: boolean;
  /** Why it is ambiguous; null if it is not. */
  readonly cause: CoordinationError | null;
}

/** An item that {@link ItemQueue.poll} took out. */
export interface PolledItem<T> {
  readonly id: string;
  /** One, or several that were put together. */
  readonly messages: readonly T[];
}

/** Handles one message. It has succeeded when what it returns is there. */
export type Handler<T> = (message: T, delivery: Delivery) => unknown;

/**
 * A queue in the tree: items are persistent nodes, in the layout of one of Curator's queues, so that Java
 * processes may put and take as well.
 */
export class ItemQueue<T> {
  private terms: QueueTerms;
  private codec: ItemCodec<T>;
  private readonly consumers = new Set<Consumer>();
  private readonly closing = new AbortController();
  private isInUse = false;
  private isStopped = false;
  private isClosed = false;

  /** @internal Use `QueueClient`. */
  constructor(terms: QueueTerms, codec: ItemCodec<T>) {
    this.terms = terms;
    this.codec = codec;
    // Every call that waits listens to it, and Node takes more than ten for a leak.
    setMaxListeners(0, this.closing.signal);
  }

  /** @internal Other settings; false: it has been used with those that it has. */
  settle(terms: QueueTerms, codec: ItemCodec<T>): boolean {
    if (this.isInUse) return false;
    this.terms = terms;
    this.codec = codec;
    return true;
  }

  /** The directory of the items. */
  get path(): string {
    return this.terms.path;
  }

  /** Puts one message. @see {@link putTogether} */
  put(message: T, options: PutOptions = {}): Promise<PutResult> {
    return this.putTogether([message], options);
  }

  /**
   * Puts several messages as one item: they are delivered one after the other, to one consumer.
   *
   * @throws {QueueFullError} The queue had `maxItems` for all of the time.
   * @throws {MessageEncodingError} The codec cannot write a message.
   * @throws {InvalidArgumentError} @throws {QueuesClosedError} @throws {DeadlineExceededError} @throws {AbortedError} and others of the
   * client and for the options: in every case nothing was put.
   */
  async putTogether(messages: readonly T[], options: PutOptions = {}): Promise<PutResult> {
    this.assertOpen();
    const { layout, path, random } = this.terms;
    const limit = this.limit(options);
    checkPutOptions(layout, options);
    if (messages.length === 0) throw new InvalidArgumentError(`put: no message for ${path}`);
    const encoded = messages.map((message) => this.encode(message));
    const data = this.bytesOf(encoded);
    const id = options.id ?? Buffer.from(random.bytes(16)).toString('hex');
    const dueMs = layout === 'delay' ? await this.dueMs(options, limit) : 0;
    const name = newItemName(layout, { id, dueMs, priority: options.priority ?? 0 });
    await this.awaitRoom(limit);
    try {
      const made = await this.create(childPath(path, name), data, limit);
      const ownId = layout === 'id' ? nameOfId(id) : null;
      if (made === null) return { path: null, id: ownId, ambiguous: false, cause: null };
      const itemId = ownId ?? (made.czxid === null ? null : idOfCzxid(made.czxid));
      return { path: made.path, id: itemId, ambiguous: false, cause: null };
    } catch (error) {
      if (!(error instanceof CoordinationError) || error.outcome !== 'unknown') throw error;
      return this.look(layout === 'id' ? nameOfId(id) : null, error, limit);
    }
  }

  /**
   * Takes the first item that nobody works on out of the queue, at most once: if the process dies now, it
   * is gone. null: there is none.
   *
   * @throws {ItemFormatError} and what the codec throws: the item was taken out, and cannot be read.
   * @throws with outcome `unknown`, if an item may have been taken out and nobody has it.
   */
  async poll(limits: TimeLimits = {}): Promise<PolledItem<T> | null> {
    this.assertOpen();
    return this.pollWithin(this.limit(limits));
  }

  /**
   * As {@link poll}, but waits for an item. null: none came within `waitMs`.
   *
   * @throws {DeadlineExceededError} There was no connection in which to look.
   * @throws {QueuesClosedError} The queue was closed meanwhile.
   */
  async take(limits: TimeLimits = {}): Promise<PolledItem<T> | null> {
    this.assertOpen();
    const { zk } = this.terms;
    const limit = this.limit(limits);
    const over = new AbortController();
    const end = (): void => over.abort();
    const sources = [this.closing.signal, ...(limit.signal === undefined ? [] : [limit.signal])];
    for (const source of sources) source.addEventListener('abort', end, { once: true });
    const timer = limit.restMs === Infinity ? null : zk.clock.setTimer(limit.restMs, end);
    try {
      for (let hasLooked = false; ; hasLooked = true) {
        const item = await this.pollWithin(limit).catch((error: unknown) => {
          // Something came when the time was over: who looks a moment later takes it.
          if (hasLooked && isTooLate(error)) return null;
          throw error;
        });
        if (item !== null) return item;
        const waiting = { deadlineMs: Infinity, signal: over.signal };
        await awaitChange(this.terms, waiting, () => true).catch((error: unknown) => {
          if (!isPassing(error) && !over.signal.aborted) throw error;
        });
        this.assertOpen();
        if (limit.signal?.aborted === true) limit.assertLeft('take', this.path);
        if (over.signal.aborted) return null;
      }
    } finally {
      timer?.cancel();
      for (const source of sources) source.removeEventListener('abort', end);
    }
  }

  /** The messages of the first item that nobody works on, which stays. null: there is none. */
  async peek(limits: TimeLimits = {}): Promise<PolledItem<T> | null> {
    const limit = this.limit(limits);
    const { zk, path } = this.terms;
    const { free } = await lookAt(this.terms, limit.rest());
    for (const item of free) {
      try {
        const { data, stat } = await zk.get(childPath(path, item.name), limit.rest());
        return this.opened({ item, data: data ?? Buffer.alloc(0), czxid: stat.czxid });
      } catch (error) {
        if (!(error instanceof NoNodeError)) throw error;
      }
    }
    return null;
  }

  /** How many items there are, those that are worked on and those that are not due included. */
  async size(limits: TimeLimits = {}): Promise<number> {
    const options = this.limit(limits).rest();
    const found = await nullIfGone(this.terms.zk.children(this.path, options));
    return countItems(this.terms.layout, found?.children ?? []);
  }

  /** The items and who works on them, for operators. */
  inspect(limits: TimeLimits = {}): Promise<QueueView> {
    return inspectQueue(this.terms, this.limit(limits).rest());
  }

  /**
   * Deletes the items with an id, of the layout `id`, also those that are worked on: their consumers find
   * their claims lost. Returns how many.
   */
  async remove(id: string, limits: TimeLimits = {}): Promise<number> {
    this.assertOpen();
    const limit = this.limit(limits);
    let removed = 0;
    for (const item of await this.itemsOf(id, limit)) {
      while ((await takeOut(this.terms, item, limit, true)) === null) {
        // A claim that came in between has changed it.
        if (!(await this.isThere(item, limit))) break;
        limit.assertLeft('remove', this.path);
      }
      removed++;
    }
    return removed;
  }

  /**
   * Hands every item to `handler`, one delivery at a time for each item, until the queue is closed or
   * {@link Consumer.stop}ped. Needs no connection to begin.
   *
   * @throws {QueuesClosedError} @throws {InvalidArgumentError}
   */
  consume(handler: Handler<T>, options: ConsumeOptions = {}): Consumer {
    if (this.isStopped) throw new QueuesClosedError(this.path);
    if (typeof (handler as unknown) !== 'function') {
      throw new InvalidArgumentError(
        `consume: the handler must be a function, not ${typeof handler}`,
      );
    }
    checkConsumeOptions(options);
    this.isInUse = true;
    const work = {
      open: (data: Buffer, path: string) => this.open(data, path, handler),
      idOf: (item: ItemName, czxid: bigint) => item.id ?? idOfCzxid(czxid),
    };
    const consumer = new Consumer(this.terms, work, options);
    this.consumers.add(consumer);
    consumer.start();
    return consumer;
  }

  /** The dead letters of this queue, oldest first; at most `count`. */
  async deadLetters(count = 100, limits: TimeLimits = {}): Promise<readonly DeadLetter<T>[]> {
    const read = (data: Buffer, path: string): readonly T[] => this.read(data, path);
    return deadLettersOf(this.terms, count, read, this.limit(limits));
  }

  /**
   * Puts dead letters with an id back into the queue, as new items, each in one transaction: the attempts
   * count from 1 again. They keep their priority, and are due at once. Returns how many.
   */
  async replay(id: string, limits: TimeLimits = {}): Promise<number> {
    this.assertOpen();
    checkIdOf('replay', id);
    return replayOf(this.terms, id, this.limit(limits));
  }

  /** @internal Takes no more items, for all consumers. Items can be put on. */
  stopConsuming(): void {
    this.isStopped = true;
    for (const consumer of this.consumers) consumer.stop();
  }

  /** @internal */
  async close(deadlineMs: number): Promise<void> {
    this.stopConsuming();
    await Promise.all(Array.from(this.consumers, (consumer) => consumer.close(deadlineMs)));
    this.isClosed = true;
    this.closing.abort(new QueuesClosedError(this.path));
  }

  private async create(
    path: string,
    data: Uint8Array,
    limit: TimeLimit,
  ): Promise<{ readonly path: string; readonly czxid: bigint | null } | null> {
    const { zk, acl, receipts } = this.terms;
    const settings = { mode: 'persistentSequential', acl } as const;
    for (;;) {
      try {
        if (receipts === null) {
          const made = await zk.create(path, data, { ...settings, ...limit.rest() });
          return { path: made.path, czxid: made.stat.czxid };
        }
        const results = await receipts.commit(() => zk.transaction().create(path, data, settings), {
          waitMs: limit.restMs,
          signal: limit.signal,
        });
        if (results === null) return null;
        const [made] = results;
        return { path: made.path, czxid: made.stat?.czxid ?? null };
      } catch (error) {
        const refusal = error instanceof TransactionFailedError ? error.cause : error;
        const isUnsent = isPassing(error) && (error as CoordinationError).outcome === 'notApplied';
        if (!(refusal instanceof NoNodeError) && !isUnsent) throw refusal;
        limit.assertLeft('put', this.path);
        // Containers go when they are empty: the directory may vanish as often as it is made.
        await zk.ensurePath(this.path, { mode: 'container', acl, ...limit.rest() });
      }
    }
  }

  /** Looks for an item of which nobody knows whether it was put. */
  private async look(
    id: string | null,
    cause: CoordinationError,
    limit: TimeLimit,
  ): Promise<PutResult> {
    const ambiguous: PutResult = { path: null, id, ambiguous: true, cause };
    // Without an id there is nothing to tell it by.
    if (id === null) return ambiguous;
    try {
      await this.terms.zk.sync(this.path, limit.rest());
      const [item] = await this.itemsOf(id, limit);
      // Not there it may have been consumed already.
      if (item === undefined) return ambiguous;
      return { path: childPath(this.path, item.name), id, ambiguous: false, cause: null };
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
      return ambiguous;
    }
  }

  /** Waits while the queue has as many items as it may. Several who wait may go over it together. */
  private async awaitRoom(limit: TimeLimit): Promise<void> {
    const { maxItems, layout, zk } = this.terms;
    if (maxItems === Infinity) return;
    const startedMs = zk.clock.monotonicMs();
    const over = new AbortController();
    const end = (): void => over.abort();
    this.closing.signal.addEventListener('abort', end, { once: true });
    try {
      for (let isFirst = true; isFirst || !limit.isOver; isFirst = false) {
        this.assertOpen();
        const stat = await zk.exists(this.path, limit.rest());
        if ((stat?.numChildren ?? 0) < maxItems) return;
        const options = { ...limit.rest(), signal: over.signal };
        const { children, watch } = await zk.childrenAndWatch(this.path, options);
        // Not all of its children need be items.
        const isFull = countItems(layout, children) >= maxItems;
        if (isFull) await limit.race(watch.fired);
        watch.cancel();
        if (!isFull) return;
      }
    } catch (error) {
      if (error instanceof NoNodeError) return;
      this.assertOpen();
      throw error;
    } finally {
      this.closing.signal.removeEventListener('abort', end);
      over.abort();
    }
    if (limit.signal?.aborted === true) limit.assertLeft('put', this.path);
    throw new QueueFullError(this.path, maxItems, Math.round(zk.clock.monotonicMs() - startedMs));
  }

  private async pollWithin(limit: TimeLimit): Promise<PolledItem<T> | null> {
    const { free } = await lookAt(this.terms, limit.rest());
    for (const item of free) {
      const taken = await takeOut(this.terms, item, limit);
      if (taken !== null) return this.opened(taken);
    }
    return null;
  }

  private async itemsOf(id: string, limit: TimeLimit): Promise<readonly ItemName[]> {
    if (this.terms.layout !== 'id') {
      throw new InvalidArgumentError(`${this.path}: only items of the layout "id" have an id`);
    }
    checkIdOf('remove', id);
    const found = await nullIfGone(this.terms.zk.children(this.path, limit.rest()));
    const items = itemsInOrder('id', found?.children ?? []);
    return items.filter((item) => item.id === nameOfId(id));
  }

  private async isThere({ name }: ItemName, limit: TimeLimit): Promise<boolean> {
    return (await this.terms.zk.exists(childPath(this.path, name), limit.rest())) !== null;
  }

  /** When a new item of the layout `delay` is due. */
  private async dueMs({ delayMs = 0, dueAt }: PutOptions, limit: TimeLimit): Promise<number> {
    if (dueAt !== undefined) return dueAt.getTime();
    const { earliest, latest } = await this.terms.time.now(limit.rest());
    return delayMs === 0 ? earliest : Math.ceil(latest + delayMs);
  }

  private opened({ item, data, czxid }: TakenOut): PolledItem<T> {
    const messages = this.read(data, item.name);
    return { id: item.id ?? idOfCzxid(czxid), messages };
  }

  private encode(message: T): Uint8Array {
    try {
      const bytes: unknown = this.codec.encode(message);
      if (bytes instanceof Uint8Array) return bytes;
      throw new TypeError(`its codec made a ${typeof bytes} of it, not a Uint8Array`);
    } catch (cause) {
      throw new MessageEncodingError(this.path, cause);
    }
  }

  private open(data: Buffer, path: string, handler: Handler<T>): Batch {
    const encoded = this.split(data, path);
    const messages = encoded.map((bytes) => this.codec.decode(bytes));
    return {
      size: messages.length,
      handle: (at, delivery) => handler(messages[at] as T, delivery),
      rest: (at) => this.bytesOf(encoded.slice(at)),
    };
  }

  private read(data: Buffer, path: string): readonly T[] {
    return this.split(data, path).map((bytes) => this.codec.decode(bytes));
  }

  private split(data: Buffer, path: string): readonly Buffer[] {
    return this.terms.layout === 'simple' ? [data] : decodeItems(data, path);
  }

  private bytesOf(encoded: readonly Uint8Array[]): Uint8Array {
    if (this.terms.layout !== 'simple') return encodeItems(encoded);
    const [only] = encoded;
    if (encoded.length === 1 && only !== undefined) return only;
    throw new InvalidArgumentError(`${this.path}: an item of the layout "simple" is one message`);
  }

  private limit({ waitMs = this.terms.waitMs, signal }: TimeLimits): TimeLimit {
    this.isInUse = true;
    return new TimeLimit(this.terms.zk.clock, { waitMs, signal });
  }

  private assertOpen(): void {
    if (this.isClosed) throw new QueuesClosedError(this.path);
  }
}

function idOfCzxid(czxid: bigint): string {
  return `0x${czxid.toString(16)}`;
}

function isPassing(error: unknown): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}

/** Nothing was done: there was no time left for it. */
function isTooLate(error: unknown): boolean {
  return error instanceof DeadlineExceededError && error.outcome === 'notApplied';
}

function checkIdOf(operation: string, id: unknown): void {
  checkId(id, (problem) => {
    throw new InvalidArgumentError(`${operation}: ${problem}`);
  });
}
