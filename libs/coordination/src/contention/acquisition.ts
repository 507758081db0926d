import { childPath, nodeName, type Log, type Timer } from '@aviary/foundation';
import {
  AbortedError,
  ConnectionLossError,
  NoNodeError,
  SessionExpiredError,
  type Acl,
  type CallOptions,
  type NodeChildren,
  type ProtectedNode,
  type ZooKeeper,
} from '@aviary/client';
import { CONTENDER_NAME } from './contender-name.js';
import { foreignAmong, standingOf, type Standing } from './contender-queue.js';
import { Lease } from './lease.js';
import {
  ForeignContenderError,
  LockBusyError,
  LockTimeoutError,
  LockUnavailableError,
  LocksClosedError,
} from './lock-errors.js';
import type { Removals } from './removals.js';

/** What one attempt to take a lock knows and needs. */
export interface AcquisitionTerms {
  readonly zk: ZooKeeper;
  /** The lock: the path of its directory. */
  readonly path: string;
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  /** Unset: no limit. 0: one attempt. */
  readonly waitMs: number | undefined;
  /** How long one attempt waits for the ensemble's answer. */
  readonly attemptMs: number;
  readonly maxHoldMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly removals: Removals;
  readonly onForeignContender: 'throw' | 'warn';
  readonly log: Log;
  readonly onHeld: (lease: Lease) => void;
  readonly onReleased: (lease: Lease) => void;
}

/** A long queue costs every contender a long list; at 20,000 the list no longer fits an answer. */
const CONTENDERS_ALARMING = 1_000;

/** Why an attempt ends early. */
type Cut = 'late' | 'aborted' | 'closed';

/**
 * One attempt to take a lock, in Curator's way: a node of our own at the end of the queue, a watch
 * on the nearest one before it, and a look at the whole list after every wake-up.
 *
 * Every request belongs to one session. When that is over, so is the node, and the attempt starts
 * again in the next one: a node of an earlier session is never taken for a place in the queue, and
 * an answer that comes late finds nobody who would believe it. However the attempt ends, its node
 * is deleted, unless it became a lease.
 */
export class Acquisition {
  private readonly terms: AcquisitionTerms;
  private readonly canceller = new AbortController();
  private cut: Cut | null = null;
  /** How many stood before us when we last looked; null: we have not been in the queue. */
  private ahead: number | null = null;
  private behind: string | null = null;
  private warned = false;

  constructor(terms: AcquisitionTerms) {
    this.terms = terms;
  }

  /** The lock that is wanted. */
  get path(): string {
    return this.terms.path;
  }

  /** Ends the attempt: its promise rejects with LocksClosedError. */
  close(): void {
    this.end('closed');
  }

  /** To be called once. */
  async run(): Promise<Lease> {
    const disarm = this.arm();
    try {
      for (;;) {
        const lease = await this.runInSession(await this.session());
        if (lease !== null) return lease;
      }
    } catch (error) {
      throw this.cut === null ? error : this.cutError(this.cut, error);
    } finally {
      disarm();
    }
  }

  /** Starts what can cut the attempt short; returns how to stop it. */
  private arm(): () => void {
    const { signal, waitMs = Infinity, attemptMs, zk } = this.terms;
    const limitMs = waitMs === 0 ? attemptMs : waitMs;
    let timer: Timer | null = null;
    if (limitMs !== Infinity) timer = zk.clock.setTimer(limitMs, () => this.end('late'));
    const onAbort = () => this.end('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) this.end('aborted');
    return () => {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
  }

  private end(cut: Cut): void {
    if (this.cut !== null) return;
    this.cut = cut;
    this.canceller.abort();
  }

  private get options(): CallOptions & { readonly signal: AbortSignal } {
    return { signal: this.canceller.signal, deadlineMs: Infinity };
  }

  private async session(): Promise<bigint> {
    return this.terms.zk.sessionId ?? (await this.terms.zk.connect(this.options)).sessionId;
  }

  /** null: the session or our node ended; start again. */
  private async runInSession(sessionId: bigint): Promise<Lease | null> {
    let node: ProtectedNode | null = null;
    try {
      const options = { ...this.options, inSession: sessionId };
      const entered = await this.enter(options);
      node = entered.node;
      const lease = await this.awaitTurn(node, entered.listing, options);
      if (lease !== null) return lease;
    } catch (error) {
      // Deleted in this turn, so that whatever the caller asks next comes after it.
      if (node !== null) void this.remove(node);
      if (error instanceof SessionExpiredError && this.cut === null) return null;
      throw error;
    }
    void this.remove(node);
    return null;
  }

  /** Creates our contender and asks for the queue in the same breath: one round trip for both. */
  private async enter(
    options: CallOptions,
  ): Promise<{ readonly node: ProtectedNode; readonly listing: Promise<NodeChildren> }> {
    const { zk, path, identity, acl } = this.terms;
    for (;;) {
      const settings = { mode: 'ephemeralSequential', acl, ...options } as const;
      const creating = zk.createProtected(childPath(path, CONTENDER_NAME), identity, settings);
      const listing = this.list(options);
      try {
        return { node: await creating, listing };
      } catch (error) {
        // Containers go when they are empty: the directory may vanish as often as it is made.
        if (!(error instanceof NoNodeError)) throw error;
        const { signal, deadlineMs } = options;
        await zk.ensurePath(path, { mode: 'container', acl, signal, deadlineMs });
      }
    }
  }

  private list(options: CallOptions): Promise<NodeChildren> {
    const listing = this.terms.zk.children(this.terms.path, options);
    // Nobody asks for it if the create fails.
    listing.catch(() => undefined);
    return listing;
  }

  /** Waits until our contender is first. null: it is gone. */
  private async awaitTurn(
    node: ProtectedNode,
    first: Promise<NodeChildren>,
    options: CallOptions,
  ): Promise<Lease | null> {
    // Found after a lost answer, it could be anybody's; its owner says whose it is.
    if (node.stat.ephemeralOwner !== node.sessionId) return null;
    for (let listing = first; ; listing = this.list(options)) {
      const children = await childrenOf(listing);
      this.canceller.signal.throwIfAborted();
      if (children === null) continue;
      this.refuseForeign(children);
      const standing = standingOf(nodeName(node.path), children);
      if (standing === null) {
        // The list that was asked for together with the create may have come before it.
        if (listing === first) continue;
        return null;
      }
      this.ahead = standing.ahead;
      if (standing.ahead > CONTENDERS_ALARMING) {
        this.warn(
          `${standing.ahead} contenders wait for ${this.path}: each of them lists them all`,
        );
      }
      if (standing.predecessor === null) {
        const lease = this.lease(node);
        if (lease !== null) return lease;
      } else if (this.terms.waitMs === 0) {
        await this.awaitOwnRemovals(standing, options);
      } else {
        await this.awaitPredecessor(standing.predecessor, options);
      }
    }
  }

  private refuseForeign(children: readonly string[]): void {
    const { path, onForeignContender } = this.terms;
    const foreign = foreignAmong(children);
    if (foreign === null) return;
    const error = new ForeignContenderError(path, foreign.name, foreign.recipe);
    if (onForeignContender === 'throw') throw error;
    this.warn(error.message);
  }

  /** Once for each attempt: it looks at the queue as often as something happens there. */
  private warn(message: string): void {
    if (!this.warned) this.terms.log.warn(message);
    this.warned = true;
  }

  /**
   * The lease, if the session that owns our node is certain to live. null: the answer took too long
   * to prove it (the process was stopped meanwhile); ask again.
   */
  private lease(node: ProtectedNode): Lease | null {
    const { zk, path, maxHoldMs, removals, onHeld, onReleased } = this.terms;
    if (!zk.isSessionCertain(node.sessionId)) return null;
    const lease: Lease = new Lease({
      zk,
      path,
      node,
      maxHoldMs,
      remove: () => removals.removeSoon(node),
      onReleased: () => onReleased(lease),
    });
    onHeld(lease);
    return lease;
  }

  /** One attempt does not wait for others, but for what this process itself has let go of. */
  private async awaitOwnRemovals(standing: Standing, options: CallOptions): Promise<void> {
    const { path, removals } = this.terms;
    const gone = removals.whenGone(standing.names.map((name) => childPath(path, name)));
    if (gone === null) throw new LockBusyError(path, standing.ahead);
    await Promise.race([gone, aborted(options.signal)]);
  }

  /**
   * Waits until something happens to the one right before us; what it was the next list tells.
   *
   * The watch is there before the read is sent, so the deletion cannot slip through between the two.
   * A read of a node that is gone leaves no watch behind.
   */
  private async awaitPredecessor(name: string, options: CallOptions): Promise<void> {
    const { zk, path } = this.terms;
    try {
      const { data, watch } = await zk.getAndWatch(childPath(path, name), options);
      this.behind = data === null ? null : data.toString();
      await watch.fired;
    } catch (error) {
      if (!(error instanceof NoNodeError || error instanceof ConnectionLossError)) throw error;
    }
  }

  private remove(node: ProtectedNode): Promise<void> {
    return this.terms.removals.remove(node);
  }

  private cutError(cut: Cut, error: unknown): unknown {
    const { path, waitMs = Infinity, attemptMs, signal, zk } = this.terms;
    const { ahead, behind } = this;
    switch (cut) {
      case 'closed':
        return new LocksClosedError(path);
      case 'aborted': {
        const facts = { outcome: 'notApplied', operation: 'acquire', path } as const;
        const message = `acquire ${path}: the signal was aborted`;
        return new AbortedError(message, { ...facts, cause: signal?.reason });
      }
      case 'late':
        if (error instanceof LockBusyError) return error;
        if (ahead === null || ahead === 0 || waitMs === 0) {
          const limitMs = waitMs === 0 ? attemptMs : waitMs;
          const problem = ahead === null ? `the client is ${zk.state.kind}` : 'the answer was lost';
          return new LockUnavailableError(path, limitMs, problem);
        }
        return new LockTimeoutError(path, { waitMs, ahead, behind });
    }
  }
}

/** The names in the queue; null: the answer was lost with the connection, ask again. */
async function childrenOf(listing: Promise<NodeChildren>): Promise<readonly string[] | null> {
  try {
    return (await listing).children;
  } catch (error) {
    if (error instanceof ConnectionLossError) return null;
    // Without its directory our contender is gone, too.
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}
