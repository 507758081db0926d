import { childPath, pathProblem, silentLog, type Log, type Timer } from '@aviary/foundation';
import {
  InvalidArgumentError,
  InvalidPathError,
  NoNodeError,
  type Acl,
  type ZooKeeper,
} from '@aviary/client';
import {
  Acquisition,
  Removals,
  exclusive,
  inOrder,
  type Lease,
  type LossReason,
} from '@aviary/coordination';
import { LOCK_ERRORS, LocksClosedError } from './lock-errors.js';
import { inspectLock, type LockView } from './lock-view.js';

/** Everybody waits for everybody before him, under the names of Curator's `InterProcessMutex`. */
const MUTEX = exclusive('lock-');

/** What Curator's `Revoker` writes into the node of the contender that should let go. */
const REVOKE = '__REVOKE__';

/** How a {@link LockClient} behaves. Times are in milliseconds. */
export interface LockClientOptions {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /**
   * Who holds or waits, for operators: one line, kept in the contender's node. Default: the process
   * id.
   */
  readonly identity?: string | undefined;
  /** Who may do what with the lock's nodes. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /**
   * What to do about a contender of another recipe in the lock's directory, with which there is no
   * exclusion. Default: `throw` ForeignContenderError. `warn`: log it and go on.
   */
  readonly onForeignContender?: 'throw' | 'warn' | undefined;
  /** With `waitMs: 0`: the longest wait for the ensemble's answer. Default: 5,000. */
  readonly attemptMs?: number | undefined;
  /** Where leftovers and foreign contenders are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** How a lock is waited for and held. Times are in milliseconds. */
export interface AcquireOptions {
  /**
   * The longest wait, whatever happens to connections and sessions meanwhile. Unset: no limit.
   * 0: one attempt, which does not queue.
   */
  readonly waitMs?: number | undefined;
  /** Ends the wait. It has no meaning for the lease. */
  readonly signal?: AbortSignal | undefined;
  /** The lease is lost (`maxHold`) after this time. Unset: no limit. */
  readonly maxHoldMs?: number | undefined;
}

/**
 * Takes fair locks, one directory of znodes each, in the layout of Curator's `InterProcessMutex`, so
 * that Java processes may contend for the same lock.
 *
 * The object keeps no list of locks: what it knows of one is its leases and attempts. It is not
 * reentrant: who acquires twice waits for himself.
 *
 * @example
 * const locks = new LockClient(zk, { root: '/locks', identity: 'billing-1' });
 * await using lease = await locks.acquire('orders/42', { waitMs: 5_000 });
 * lease.assertHeld();
 * await orders.save(order, { fence: lease.token });
 */
export class LockClient {
  private readonly zk: ZooKeeper;
  private readonly root: string;
  private readonly identity: string;
  private readonly options: LockClientOptions;
  private readonly removals: Removals;
  private readonly held = new Set<Lease>();
  private readonly attempts = new Set<Acquisition>();
  private isClosed = false;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: LockClientOptions = {}) {
    const { root = '/', identity = `${process.pid}`, log = silentLog, attemptMs = 0 } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    checkMs('attemptMs', attemptMs);
    this.zk = zk;
    this.root = root;
    this.identity = identity;
    this.options = options;
    this.removals = new Removals(zk, log);
  }

  /** The leases that are out: held, or lost and not yet released. */
  get leases(): readonly Lease[] {
    return [...this.held];
  }

  /** The locks that this client waits for just now; one entry for each attempt. */
  get waiting(): readonly string[] {
    return Array.from(this.attempts, ({ path }) => path);
  }

  /**
   * Waits for this attempt's turn and returns a lease.
   *
   * Contenders are served in the order of their arrival. Each watches only the one ahead of it, so a
   * release wakes one process and not all. The lock's directory and what is missing above it are
   * made as containers, which the servers remove when they are empty. Without contention it takes one
   * round trip.
   *
   * @param path Below {@link LockClientOptions.root}, or absolute if it begins with a slash.
   * @throws {LockBusyError} `waitMs: 0`, and the lock is not free.
   * @throws {LockTimeoutError} Not our turn within `waitMs`. Nothing of ours stays in the queue.
   * @throws {LockUnavailableError} No answer within that time: not known to be busy.
   * @throws {AbortedError} By `signal`. Nothing stays, as after every error.
   * @throws {ForeignContenderError} Another recipe uses the path.
   * @throws {LocksClosedError} This client was closed.
   * @throws {NoAuthError} and other refusals of the server, AuthFailedError, ClosedError.
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  async acquire(path: string, options: AcquireOptions = {}): Promise<Lease> {
    const { waitMs, maxHoldMs, signal } = options;
    const absolute = this.pathOf(path);
    checkMs('waitMs', waitMs);
    checkMs('maxHoldMs', maxHoldMs);
    if (this.isClosed) throw new LocksClosedError({ noun: 'lock', path: absolute });
    const { acl, attemptMs = 5_000, onForeignContender = 'throw', log = silentLog } = this.options;
    const attempt = new Acquisition({
      zk: this.zk,
      noun: 'lock',
      path: absolute,
      discipline: MUTEX,
      errors: LOCK_ERRORS,
      identity: this.identity,
      acl,
      waitMs,
      attemptMs,
      maxHoldMs,
      signal,
      removals: this.removals,
      onForeignContender,
      log,
      onHeld: (lease) => this.held.add(lease),
      onReleased: (lease) => this.held.delete(lease),
    });
    this.attempts.add(attempt);
    try {
      return await attempt.run();
    } finally {
      this.attempts.delete(attempt);
    }
  }

  /**
   * Who holds a lock and who waits for it, as the servers know it.
   *
   * @throws what the client's reads throw.
   */
  async inspect(path: string): Promise<LockView> {
    return inspectLock(this.zk, this.pathOf(path), MUTEX);
  }

  /**
   * Asks the holder to let go, as Curator's `Revoker` does: its lease is lost (`revoked`), its guarded
   * transactions fail from now on, and the lock is free when it releases. Other holders than ours hear
   * of it if they asked to (Curator's `makeRevocable`).
   *
   * @returns false: nobody holds.
   */
  async revoke(path: string): Promise<boolean> {
    const lock = this.pathOf(path);
    try {
      const [first] = inOrder((await this.zk.children(lock)).children, MUTEX);
      if (first === undefined) return false;
      await this.zk.set(childPath(lock, first.name), REVOKE);
      return true;
    } catch (error) {
      if (error instanceof NoNodeError) return false;
      throw error;
    }
  }

  /** The path of a lock as the client of the ensemble knows it. @throws {InvalidPathError} */
  pathOf(path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError('the path of a lock must be a string, and not empty');
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = absolute === '/' ? 'the root cannot be a lock' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`acquire: ${problem}`, { path });
    return absolute;
  }

  /** Ends all attempts and refuses new ones, with LocksClosedError. Leases stay. */
  stopAcquiring(): void {
    this.isClosed = true;
    for (const attempt of this.attempts) attempt.close();
  }

  /**
   * As {@link stopAcquiring}, ends and releases all leases, and waits until the servers have no node
   * of this client any more: at most `deadlineMs`, by default 3,000. Never rejects.
   */
  async close(options: { readonly deadlineMs?: number; readonly reason?: LossReason } = {}) {
    const { deadlineMs = 3_000, reason = 'shutdown' } = options;
    this.stopAcquiring();
    for (const lease of this.held) {
      lease.lose(reason);
      void lease.release();
    }
    let timer: Timer | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.zk.clock.setTimer(deadlineMs, resolve);
    });
    await Promise.race([this.removals.whenAllGone(), late]);
    (timer as Timer | null)?.cancel();
  }
}

function checkMs(name: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new InvalidArgumentError(
    `${name} must be a number of milliseconds from 0 up, not ${String(value)}`,
  );
}
