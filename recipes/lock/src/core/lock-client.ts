import { childPath, pathProblem, silentLog, type Log, type Timer } from '@aviary/foundation';
import { InvalidArgumentError, InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import {
  Acquisition,
  Removals,
  checkSignal,
  type AcquisitionTerms,
  type ContenderView,
  type Lease,
  type LossReason,
} from '@aviary/coordination';
import { LOCK_ERRORS, LocksClosedError } from './lock-errors.js';
import { rulesOf, type LayoutRules, type LockLayout, type LockMode } from './lock-layout.js';
import { LeaseGroup } from './lease-group.js';
import { checkLockOptions } from './lock-options.js';
import { surveyWaits } from './lock-survey.js';
import { inspectLock, type LockView } from './lock-view.js';
import { acquireInOrder, type LockRequest } from './multi-acquisition.js';
import { PermitAcquisition } from './permit-acquisition.js';
import { revokeContender, revokeHolders } from './revocation.js';
import { FixedLimit, LiveLimit, RecordedLimit, type SemaphoreLimit } from './semaphore-limit.js';
import type { Deadlock, WaitGraph } from './wait-graph.js';
import { WriteLease } from './write-lease.js';

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
  /** On whose znodes. Default: `curator`. */
  readonly layout?: LockLayout | undefined;
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

/** How a permit is waited for and held. */
export interface PermitOptions extends AcquireOptions {
  /**
   * How many permits there are: a number that all who use the semaphore agree on; or the path of a
   * node with a number (decimal text, or Curator's `SharedCount`), which may change at any time. Fewer
   * than are out: they stay out, and nobody gets one before enough have come back.
   */
  readonly limit: number | string;
}

/** An attempt that is under way. */
interface Attempt<T> {
  readonly path: string;
  run(): Promise<T>;
  close(): void;
}

/**
 * Takes fair locks, one directory of znodes each, in the layout of Curator's recipes (or of kazoo's),
 * so that Java processes (or Python's) may contend for the same lock.
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
  /** Those that are under way, with promises of their ends. */
  private readonly attempts = new Map<Attempt<unknown>, Promise<unknown>>();
  private readonly rules: LayoutRules;
  private isClosed = false;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: LockClientOptions = {}) {
    checkLockOptions(options);
    const { root = '/', identity = `${process.pid}`, log = silentLog, attemptMs = 0 } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    checkMs('attemptMs', attemptMs);
    const rules = rulesOf(options.layout ?? 'curator');
    if (rules === null) {
      throw new InvalidArgumentError(`layout must be "curator" or "kazoo", not ${options.layout}`);
    }
    this.rules = rules;
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
    return Array.from(this.attempts.keys(), ({ path }) => path);
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
    return this.run(new Acquisition(this.terms('mutex', this.pathOf(path), options)));
  }

  /**
   * As {@link acquire}, for a lock that several may hold at the same time to read, while nobody holds
   * it to write: Curator's `InterProcessReadWriteLock.readLock()`. One queue for readers and writers:
   * a reader waits for the writers that came before it, and passes the readers.
   *
   * Who holds it to read and waits to write waits for himself. Its token is greater than that of every
   * writer before, but readers that hold at the same time have different ones: no store should fence
   * one with that of another.
   *
   * @throws as {@link acquire}.
   */
  async acquireRead(path: string, options: AcquireOptions = {}): Promise<Lease> {
    return this.run(new Acquisition(this.terms('read', this.pathOf(path), options)));
  }

  /**
   * As {@link acquire}, for the writer of such a lock, who holds it alone. Its lease can be kept for
   * reading: {@link WriteLease.downgrade}.
   *
   * @throws as {@link acquire}.
   */
  async acquireWrite(path: string, options: AcquireOptions = {}): Promise<WriteLease> {
    const terms = this.terms('write', this.pathOf(path), options);
    const { rules } = this;
    return this.run(new Acquisition(terms, (lease) => new WriteLease(lease, { ...terms, rules })));
  }

  /**
   * Takes one of the permits of a semaphore, of which so many are out at a time as its limit says:
   * Curator's `InterProcessSemaphoreV2`.
   *
   * Those who wait are served in the order of their arrival, and only the first of them looks at the
   * permits that are out. Without contention it takes three round trips, the release one.
   *
   * @throws as {@link acquire}. @throws {SemaphoreLimitError}
   */
  async acquirePermit(path: string, options: PermitOptions): Promise<Lease> {
    const [lease] = await this.permits(path, 1, options);
    if (lease === undefined) throw new Error('an attempt to take one permit brought none');
    return lease;
  }

  /**
   * As {@link acquirePermit}, for several permits: all or none. They are released together, or one by
   * one.
   */
  async acquirePermits(
    path: string,
    quantity: number,
    options: PermitOptions,
  ): Promise<LeaseGroup> {
    return new LeaseGroup(this.zk, await this.permits(path, quantity, options));
  }

  /**
   * Takes several locks, all or none, in the order of their paths: who takes the same ones so never
   * waits for somebody who waits for him. `waitMs` is for all of them together.
   *
   * @param locks Paths of mutexes, or what else is wanted of which lock.
   * @throws as {@link acquire}, for the one that could not be had. All others are released.
   * @throws {AggregateError} More than that happened: one that was held already was lost meanwhile.
   * @throws {InvalidArgumentError} None, or one of them twice.
   */
  async acquireAll(
    locks: readonly (string | LockRequest)[],
    options: AcquireOptions = {},
  ): Promise<LeaseGroup> {
    if (!Array.isArray(locks) || locks.length === 0) {
      throw new InvalidArgumentError('acquireAll: give it a list with a lock to take');
    }
    const requests = locks.map((lock: string | LockRequest): LockRequest => {
      const { path, mode } =
        typeof lock === 'string' ? { path: lock } : (Object(lock) as LockRequest);
      return { path: this.pathOf(path), mode };
    });
    const { waitMs, signal } = options;
    checkMs('waitMs', waitMs);
    checkSignal(signal);
    const leases = await acquireInOrder(requests, {
      clock: this.zk.clock,
      waitMs,
      signal,
      acquire: ({ path, mode = 'mutex' }, limits) =>
        this.run(new Acquisition(this.terms(mode, path, { ...options, ...limits }))),
    });
    return new LeaseGroup(this.zk, leases);
  }

  /**
   * Who holds a lock and who waits for it, as the servers know it. Its kind is seen by its contenders.
   *
   * @throws what the client's reads throw.
   */
  async inspect(path: string): Promise<LockView> {
    return inspectLock(this.zk, this.pathOf(path), this.rules);
  }

  /**
   * Who waits for whom at all locks and semaphores below `root`, other clients' included, and the
   * circles among them.
   *
   * What counts is the session: a process that takes locks in several places at once may be in such a
   * circle although each of its parts will go on.
   *
   * @param path Where to look. Default: the {@link LockClientOptions.root}.
   * @throws what the client's reads throw.
   */
  async waitGraph(path?: string): Promise<WaitGraph> {
    const isRoot = path === undefined || path === '/';
    return surveyWaits(this.zk, isRoot ? (path ?? this.root) : this.pathOf(path));
  }

  /** The circles of the {@link waitGraph}: those in them wait for ever, unless one of them gives up. */
  async deadlocks(path?: string): Promise<readonly Deadlock[]> {
    return (await this.waitGraph(path)).deadlocks;
  }

  /**
   * Asks those who hold to let go, as Curator's `Revoker` does: their leases are lost (`revoked`),
   * their guarded transactions fail from now on, and the lock is free when they release. Other
   * holders than ours hear of it if they asked to (Curator's `makeRevocable`).
   *
   * @param target The path of a lock: all who hold it. Or one contender, as {@link inspect} shows it,
   * who may also wait; it loses its lease in the moment in which it gets it.
   * @returns false: nobody holds, or that contender is gone.
   */
  async revoke(target: string | ContenderView): Promise<boolean> {
    if (typeof target !== 'string') return revokeContender(this.zk, target);
    return revokeHolders(this.zk, this.pathOf(target), this.rules);
  }

  /** The path of a lock as the client of the ensemble knows it. @throws {InvalidPathError} */
  pathOf(path: string): string {
    return this.absolute(path, 'lock');
  }

  private absolute(path: string, noun: 'lock' | 'limit'): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError(`the path of a ${noun} must be a string, and not empty`);
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = absolute === '/' ? `the root cannot be a ${noun}` : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`the path of a ${noun}: ${problem}`, { path });
    return absolute;
  }

  private async permits(
    path: string,
    quantity: number,
    options: PermitOptions,
  ): Promise<readonly Lease[]> {
    const absolute = this.pathOf(path);
    const { rules } = this;
    if (!(Number.isInteger(quantity) && quantity > 0)) {
      throw new InvalidArgumentError(`quantity must be a number from 1 up, not ${quantity}`);
    }
    // Callers without types may leave them out.
    const { limit: given } = Object(options) as PermitOptions;
    const limit = this.limitOf(absolute, given);
    if (typeof given === 'number' && quantity > given) {
      throw new InvalidArgumentError(`${quantity} permits of ${given} can never be had`);
    }
    const terms = this.terms('mutex', absolute, options);
    return this.run(new PermitAcquisition({ ...terms, noun: 'semaphore', rules, quantity, limit }));
  }

  private limitOf(path: string, limit: number | string): SemaphoreLimit {
    if (typeof limit === 'string') {
      return new LiveLimit(this.zk, path, this.absolute(limit, 'limit'));
    }
    if (!(Number.isInteger(limit) && limit > 0 && limit <= 0x7fff_ffff)) {
      throw new InvalidArgumentError(
        `limit must be a number of permits from 1 up, or the path of a node, not ${String(limit)}`,
      );
    }
    const isRecorded = this.rules.layout === 'kazoo';
    return isRecorded ? new RecordedLimit(this.zk, path, limit) : new FixedLimit(limit);
  }

  private terms(mode: LockMode, path: string, options: AcquireOptions): AcquisitionTerms {
    const { waitMs, maxHoldMs, signal } = options;
    checkMs('waitMs', waitMs);
    checkMs('maxHoldMs', maxHoldMs);
    checkSignal(signal);
    const { acl, attemptMs = 5_000, onForeignContender = 'throw', log = silentLog } = this.options;
    return {
      zk: this.zk,
      noun: 'lock',
      path,
      discipline: this.rules.disciplines[mode],
      parents: this.rules.parents,
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
    };
  }

  private async run<T>(attempt: Attempt<T>): Promise<T> {
    if (this.isClosed) throw new LocksClosedError({ noun: 'lock', path: attempt.path });
    const running = attempt.run();
    this.attempts.set(attempt, running);
    try {
      return await running;
    } finally {
      this.attempts.delete(attempt);
    }
  }

  /** Ends all attempts and refuses new ones, with LocksClosedError. Leases stay. */
  stopAcquiring(): void {
    this.isClosed = true;
    for (const attempt of this.attempts.keys()) attempt.close();
  }

  /**
   * As {@link stopAcquiring}, ends and releases all leases, and waits until the servers have no node
   * of this client any more: at most `deadlineMs`, by default 3,000. Never rejects.
   *
   * A node whose create is still on its way is deleted in the background.
   */
  async close(options: { readonly deadlineMs?: number; readonly reason?: LossReason } = {}) {
    const { deadlineMs = 3_000, reason = 'shutdown' } = options;
    this.stopAcquiring();
    // Attempts leave their places when they end, and downgrades theirs.
    const ending = Promise.allSettled([...this.attempts.values(), ...this.endLeases(reason)]);
    const gone = ending.then(() => this.removals.whenAllGone());
    let timer: Timer | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.zk.clock.setTimer(deadlineMs, resolve);
    });
    await Promise.race([gone, late]);
    (timer as Timer | null)?.cancel();
  }

  private endLeases(reason: LossReason): Promise<void>[] {
    return Array.from(this.held, (lease) => {
      lease.lose(reason);
      return lease.release();
    });
  }
}

function checkMs(name: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new InvalidArgumentError(
    `${name} must be a number of milliseconds from 0 up, not ${String(value)}`,
  );
}
