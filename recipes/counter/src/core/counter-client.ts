import { InvalidArgumentError, InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import { childPath, pathProblem, silentLog, type Log, type Random } from '@aviary/foundation';
import { Receipts, Removals } from '@aviary/coordination';
import { AtomicCounter } from './atomic-counter.js';
import { Exchanges, type ExchangePlace } from './exchanges.js';
import { IdBlocks } from './id-blocks.js';
import { int32, int64 } from './number-format.js';
import { SharedValue } from './shared-value.js';

const WAIT_MS_DEFAULT = 30_000;
const TRIES_DEFAULT = 10;

/** How a {@link CounterClient} behaves. Times are in milliseconds. */
export interface CounterClientOptions {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /** Who changes a counter under a lock, for operators. Default: the process id. */
  readonly identity?: string | undefined;
  /** Who may do what with the nodes that are made. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** The longest that a call takes that says nothing else. Infinity: no limit. Default: 30,000. */
  readonly waitMs?: number | undefined;
  /** How often a change is tried before it takes a lock, and then under it. Default: 10. */
  readonly tries?: number | undefined;
  /**
   * The directory of ephemeral nodes that say which changes were applied; see README. `false`: without
   * them, so that more changes are ambiguous. Default: `_receipts` below the root.
   */
  readonly receipts?: string | false | undefined;
  /** Where leftovers are reported. Default: nowhere. */
  readonly log?: Log | undefined;
  /** For pauses and ids. Default: that of the client. */
  readonly random?: Random | undefined;
}

/** How one counter behaves. */
export interface CounterSettings {
  /**
   * The directory of the lock that a change takes after many tries, in the layout of Curator's mutex:
   * the path of `PromotedToLock`. `false`: none; then such a change ends with CounterContendedError.
   * Default: the path of the counter with `-lock` behind it.
   */
  readonly lockPath?: string | false | undefined;
}

/**
 * Counters and shared values, one node each, as Curator keeps them: Java and Python processes may
 * change the same ones.
 *
 * @example
 * const counters = new CounterClient(zk, { root: '/counters' });
 * const { value, ambiguous } = await counters.int64('orders').add(1n);
 */
export class CounterClient {
  private readonly root: string;
  private readonly exchanges: Exchanges;
  private readonly receipts: Receipts | null;
  private readonly removals: Removals;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: CounterClientOptions = {}) {
    const { root = '/', identity = `${process.pid}`, acl, log = silentLog } = options;
    const { waitMs = WAIT_MS_DEFAULT, tries = TRIES_DEFAULT, random = zk.random } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    if (typeof waitMs !== 'number' || !(waitMs >= 0)) {
      throw new InvalidArgumentError(
        `waitMs must be a number of milliseconds from 0 up, not ${String(waitMs)}`,
      );
    }
    if (!Number.isInteger(tries) || tries < 1) {
      throw new InvalidArgumentError(`tries must be a whole number from 1 up, not ${tries}`);
    }
    this.root = root;
    this.removals = new Removals(zk, log);
    const { receipts = childPath(root, '_receipts') } = options;
    this.receipts =
      receipts === false
        ? null
        : new Receipts(zk, { directory: this.placed('receipts', receipts), acl, random, log });
    const { receipts: written, removals } = this;
    const terms = { zk, acl, identity, removals, random, log, tries, waitMs };
    this.exchanges = new Exchanges({ ...terms, receipts: written });
  }

  /** A counter of 64 bits: Curator's `DistributedAtomicLong`. @throws {InvalidPathError} */
  int64(path: string, settings: CounterSettings = {}): AtomicCounter<bigint> {
    return new AtomicCounter(this.exchanges, this.placeOf(path, settings), int64);
  }

  /**
   * A counter of 32 bits: Curator's `SharedCount` and `DistributedAtomicInteger`, kazoo's
   * `Counter(support_curator=True)`. @throws {InvalidPathError}
   */
  int32(path: string, settings: CounterSettings = {}): AtomicCounter<number> {
    return new AtomicCounter(this.exchanges, this.placeOf(path, settings), int32);
  }

  /** Bytes that many change: Curator's `SharedValue`. @throws {InvalidPathError} */
  value(path: string, settings: CounterSettings = {}): SharedValue {
    return new SharedValue(this.exchanges, this.placeOf(path, settings));
  }

  /**
   * Numbers that are given out once, taken in blocks of `size` from a counter of 64 bits.
   *
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  block(path: string, size: number, settings: CounterSettings = {}): IdBlocks {
    return new IdBlocks(this.exchanges, this.int64(path, settings), size);
  }

  /** The path of a counter as the client of the ensemble knows it. @throws {InvalidPathError} */
  pathOf(path: string): string {
    return this.placed('counter', path);
  }

  /**
   * Refuses new changes (CountersClosedError), waits for those under way, and removes what this client
   * keeps at the servers: at most `deadlineMs`, by default 3,000. Never rejects. Streams go on until they
   * are unsubscribed.
   */
  async close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = 3_000 } = options;
    const limit = this.exchanges.limit({ waitMs: deadlineMs });
    await this.exchanges.close(limit);
    await limit.race(Promise.all([this.receipts?.close(), this.removals.whenAllGone()]));
  }

  private placeOf(path: string, settings: CounterSettings): ExchangePlace {
    const absolute = this.pathOf(path);
    const { lockPath = `${absolute}-lock` } = settings;
    return {
      path: absolute,
      lockPath: lockPath === false ? null : this.placed('lockPath', lockPath),
    };
  }

  /** @throws {InvalidPathError} which says what was to stand there. */
  private placed(what: string, path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError(`${what}: the path must be a string, and not empty`);
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = absolute === '/' ? 'it cannot be the root' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`${what}: ${problem}`, { path });
    return absolute;
  }
}
