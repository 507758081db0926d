import { inspect } from 'node:util';
import { InvalidArgumentError, InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import { childPath, pathProblem, silentLog, type Log, type Random } from '@aviary/foundation';
import { Receipts, TimeLimit } from '@aviary/coordination';
import { jsonItems, type ItemCodec } from './item-codec.js';
import type { QueueLayout } from './item-names.js';
import { ItemQueue } from './item-queue.js';
import { QueuesClosedError } from './queue-errors.js';
import type { QueueTerms } from './queue-terms.js';
import { ServerTime } from './server-time.js';

const WAIT_MS_DEFAULT = 30_000;
const LAYOUTS: readonly QueueLayout[] = ['fifo', 'priority', 'delay', 'id', 'simple'];

/** How a {@link QueueClient} behaves. Times are in milliseconds. */
export interface QueueClientOptions {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /** Who works on an item, for operators. Default: the process id. */
  readonly identity?: string | undefined;
  /** Who may do what with the nodes that are made. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** The longest that a call takes that says nothing else. Infinity: no limit. Default: 30,000. */
  readonly waitMs?: number | undefined;
  /**
   * The directory of ephemeral nodes that say which items were put and taken out; see README. `false`:
   * without them, so that more is ambiguous. Default: `_receipts` below the root.
   */
  readonly receipts?: string | false | undefined;
  /** Where failures are reported. Default: nowhere. */
  readonly log?: Log | undefined;
  /** For pauses and ids. Default: that of the client. */
  readonly random?: Random | undefined;
}

/** How one queue behaves. */
export interface QueueSettings<T = unknown> {
  /** How items are named and ordered. Default: `fifo`. */
  readonly layout?: QueueLayout | undefined;
  /** How messages become bytes. Default: JSON. */
  readonly codec?: ItemCodec<T> | undefined;
  /** Where claims stand: Curator's `lockPath`. Default: the path with `-taken` behind it. */
  readonly lockPath?: string | undefined;
  /**
   * Where items go that failed too often. `false`: they are dropped. Default: the path with `-dead`
   * behind it.
   */
  readonly deadLetter?: string | false | undefined;
  /** How many items the queue may have before `put` waits. Default: no limit. */
  readonly maxItems?: number | undefined;
}

/**
 * Queues in the tree, one directory of items each.
 *
 * @example
 * const queues = new QueueClient(zk, { root: '/queues' });
 * await queues.queue<Mail>('emails').put({ to: 'ann' });
 * queues.queue<Mail>('emails').consume((mail) => send(mail), { concurrency: 4 });
 */
export class QueueClient {
  private readonly zk: ZooKeeper;
  private readonly root: string;
  private readonly options: QueueClientOptions;
  private readonly receipts: { readonly directory: string; readonly receipts: Receipts } | null;
  private readonly queues = new Map<string, ItemQueue<unknown>>();
  private readonly settings = new Map<string, QueueSettings>();
  private isStopping = false;
  private isClosed = false;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: QueueClientOptions = {}) {
    const { root = '/', waitMs = 0, acl, random, log } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    if (typeof waitMs !== 'number' || !(waitMs >= 0)) {
      throw new InvalidArgumentError(
        `waitMs must be a number of milliseconds from 0 up, not ${String(waitMs)}`,
      );
    }
    this.zk = zk;
    this.root = root;
    this.options = options;
    const { receipts = childPath(root, '_receipts') } = options;
    const directory = receipts === false ? null : this.directoryOf('receipts', receipts);
    this.receipts =
      directory === null
        ? null
        : { directory, receipts: new Receipts(zk, { directory, acl, random, log }) };
  }

  /**
   * The queue at a path: one object for each, with the settings of the first call that gives some.
   *
   * @throws {InvalidArgumentError} There is one already with other settings, or it was used without; or a
   * setting means nothing.
   * @throws {InvalidPathError} @throws {QueuesClosedError}
   */
  queue<T = unknown>(path: string, settings?: QueueSettings<T>): ItemQueue<T> {
    const absolute = this.pathOf(path);
    if (this.isClosed) throw new QueuesClosedError(absolute);
    const { terms, codec } = this.termsOf(absolute, settings ?? {});
    const before = this.queues.get(absolute);
    const isFirst = this.settings.get(absolute) === undefined;
    if (before !== undefined && settings !== undefined && !this.isSame(absolute, settings)) {
      // Nobody has relied on the defaults yet.
      if (!isFirst || !before.settle(terms, codec)) {
        throw new InvalidArgumentError(
          `the queue ${absolute} is in use with other settings; give them where it is used first`,
        );
      }
    }
    const queue = before ?? new ItemQueue(terms, codec);
    this.queues.set(absolute, queue);
    if (settings !== undefined && isFirst) this.settings.set(absolute, settings);
    if (this.isStopping) queue.stopConsuming();
    return queue as ItemQueue<T>;
  }

  /** The path of a queue as the client of the ensemble knows it. @throws {InvalidPathError} */
  pathOf(path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError('the path of a queue must be a string, and not empty');
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = absolute === '/' ? 'the root cannot be a queue' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`queue: ${problem}`, { path });
    return absolute;
  }

  /** The directory that an option names. @throws {InvalidPathError} */
  private directoryOf(option: string, given: unknown): string {
    if (typeof given !== 'string' || given === '') {
      throw new InvalidPathError(`${option} must be a path, not ${inspect(given)}`);
    }
    const absolute = given.startsWith('/') ? given : childPath(this.root, given);
    const problem = absolute === '/' ? 'the root is none' : pathProblem(absolute);
    if (problem !== null) {
      throw new InvalidPathError(`${option}: ${problem}`, { path: given });
    }
    return absolute;
  }

  /** No queue takes items any more; handlers that run go on, and items can be put. */
  stopConsuming(): void {
    this.isStopping = true;
    for (const queue of this.queues.values()) queue.stopConsuming();
  }

  /**
   * As {@link stopConsuming}, and waits for the handlers that run, at most `deadlineMs`, by default 5,000.
   * Then their items are free for others, and nothing can be put any more (QueuesClosedError). Never
   * rejects.
   */
  async close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = 5_000 } = options;
    this.stopConsuming();
    const queues = Array.from(this.queues.values());
    await Promise.all(queues.map((queue) => queue.close(deadlineMs)));
    this.isClosed = true;
    const limit = new TimeLimit(this.zk.clock, { waitMs: 1_000 });
    await limit.race(this.receipts?.receipts.close() ?? Promise.resolve());
  }

  private isSame(path: string, settings: QueueSettings): boolean {
    const before = this.settings.get(path);
    return SETTINGS.every((name) => before?.[name] === settings[name]);
  }

  private termsOf<T>(
    path: string,
    settings: QueueSettings<T>,
  ): { readonly terms: QueueTerms; readonly codec: ItemCodec<unknown> } {
    const {
      identity = `${process.pid}`,
      acl,
      log = silentLog,
      random = this.zk.random,
    } = this.options;
    const { waitMs = WAIT_MS_DEFAULT } = this.options;
    const { codec = jsonItems, deadLetter = `${path}-dead`, maxItems = Infinity } = settings;
    const { layout = 'fifo', lockPath: given = `${path}-taken` } = settings;
    checkSettings(path, { layout, codec, maxItems });
    const where = `the queue ${path}: `;
    const lockPath = this.directoryOf(`${where}lockPath`, given);
    const deadPath =
      deadLetter === false ? null : this.directoryOf(`${where}deadLetter`, deadLetter);
    const { zk, receipts } = this;
    checkDirectories(path, {
      lockPath,
      deadLetter: deadPath,
      receipts: receipts?.directory ?? null,
    });
    const time = new ServerTime({ zk, directory: lockPath, acl, random, log });
    const places = { path, lockPath, deadPath, layout, maxItems };
    const tools = { receipts: receipts?.receipts ?? null, random, time, log, waitMs };
    return {
      terms: { zk, acl, identity, ...places, ...tools },
      codec: codec,
    };
  }
}

const SETTINGS = ['layout', 'codec', 'lockPath', 'deadLetter', 'maxItems'] as const;

/** @throws {InvalidArgumentError} */
function checkSettings(
  path: string,
  { layout, codec, maxItems }: Required<Pick<QueueSettings, 'layout' | 'codec' | 'maxItems'>>,
): void {
  const refuse = (problem: string): never => {
    throw new InvalidArgumentError(`the queue ${path}: ${problem}`);
  };
  // Callers without types can pass anything.
  if (layout === undefined || !LAYOUTS.includes(layout)) {
    refuse(`there is no layout "${String(layout)}", but ${LAYOUTS.join(', ')}`);
  }
  if (maxItems !== Infinity && !(Number.isInteger(maxItems) && Number(maxItems) >= 1)) {
    refuse(`maxItems must be a whole number from 1 up, not ${inspect(maxItems)}`);
  }
  const { encode, decode } = Object(codec) as Partial<ItemCodec<unknown>>;
  if (typeof encode !== 'function' || typeof decode !== 'function') {
    refuse('its codec must have the functions encode and decode');
  }
}

/** @throws {InvalidArgumentError} Two kinds of nodes would stand in one directory. */
function checkDirectories(path: string, others: Readonly<Record<string, string | null>>): void {
  const uses = new Map([[path, 'the queue']]);
  for (const [use, directory] of Object.entries(others)) {
    if (directory === null) continue;
    const before = uses.get(directory);
    if (before !== undefined) {
      throw new InvalidArgumentError(
        `the queue ${path}: ${use} is the directory of ${before}; give it one of its own`,
      );
    }
    uses.set(directory, use);
  }
}
