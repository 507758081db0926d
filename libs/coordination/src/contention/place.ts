import { childPath, nodeName, type Log } from '@aviary/foundation';
import {
  ConnectionLossError,
  NoNodeError,
  type Acl,
  type CallOptions,
  type NodeChildren,
  type ProtectedNode,
  type ZooKeeper,
} from '@aviary/client';
import { ForeignContenderError, type Contended } from './contention-errors.js';
import type { Removals } from './removals.js';
import { OwnNodeSight } from './own-node-sight.js';
import {
  foreignAmong,
  isAppendOnly,
  standingOf,
  type Discipline,
  type Standing,
} from './standing.js';

/** A longer queue of contenders is reported: each of them lists them all, and at 20,000 the list fits no answer. */
export const CONTENDERS_ALARMING = 1_000;

/** A queue, and who wants to stand in it. */
export interface QueueTerms extends Contended {
  readonly zk: ZooKeeper;
  readonly discipline: Discipline;
  /** What the contender's node says of its maker. */
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  /**
   * How the directory and what is missing above it are made. Default: as containers, which the
   * servers remove when they are empty.
   */
  readonly parents?: 'container' | 'persistent' | undefined;
  readonly removals: Removals;
  readonly onForeignContender: 'throw' | 'warn';
  /** Told of foreign contenders and of queues that are too long. */
  readonly warn: Log['warn'];
}

const FIRST: Standing = { ahead: 0, predecessor: null, names: [] };

/** Options of calls that belong to one session. */
export type SessionOptions = CallOptions & {
  readonly inSession: bigint;
  readonly signal: AbortSignal;
};

/**
 * A place in a queue: a node of ours, which lives as long as its session or until {@link leave}.
 *
 * It survives broken connections. What it says is asked anew of the servers each time, in the
 * session that owns the node; when that is over every call throws SessionExpiredError, and the place
 * is gone with it. A node of an earlier session is never taken for a place.
 */
export class Place {
  readonly node: ProtectedNode;
  private readonly terms: QueueTerms;
  private firstListing: Promise<NodeChildren> | null;
  private sight: OwnNodeSight | null = null;
  private isKnownFirst = false;

  private constructor(terms: QueueTerms, node: ProtectedNode, listing: Promise<NodeChildren>) {
    this.terms = terms;
    this.node = node;
    this.firstListing = listing;
  }

  /**
   * Goes to the end of the queue, and asks for all of it in the same breath: one round trip for both.
   * The directory, and what is missing above it, is made if it is not there.
   *
   * @throws {SessionExpiredError} and what else the client's create throws. Nothing stays then.
   */
  static async enter(terms: QueueTerms, options: SessionOptions): Promise<Place> {
    const { zk, path, identity, acl, discipline, parents = 'container' } = terms;
    for (;;) {
      const settings = { mode: 'ephemeralSequential', acl, ...options } as const;
      const creating = zk.createProtected(childPath(path, discipline.marker), identity, settings);
      const listing = list(terms, options);
      try {
        return new Place(terms, await creating, listing);
      } catch (error) {
        // Containers go when they are empty: the directory may vanish as often as it is made.
        if (!(error instanceof NoNodeError)) throw error;
        const { signal, deadlineMs } = options;
        await zk.ensurePath(path, { mode: parents, acl, signal, deadlineMs });
      }
    }
  }

  /**
   * Where it stands now; null: the node is gone, or never was this session's.
   *
   * `ahead` 0 says that it is our turn, if the session is certain (`zk.isSessionCertain`).
   *
   * @throws {ForeignContenderError} unless foreign contenders are only warned of.
   */
  async look(options: SessionOptions): Promise<Standing | null> {
    const { node, terms } = this;
    // Found after a lost answer, it could be anybody's; its owner says whose it is.
    if (node.stat.ephemeralOwner !== node.sessionId) return null;
    if (this.isKnownFirst) {
      // Whoever gave up in the turn of the deletion must not be served by it.
      options.signal.throwIfAborted();
      this.isKnownFirst = false;
      return FIRST;
    }
    for (;;) {
      const first = this.firstListing;
      this.firstListing = null;
      const children = await childrenOf(first ?? list(terms, options));
      options.signal.throwIfAborted();
      if (children === null) continue;
      this.refuseForeign(children);
      const standing = standingOf(nodeName(node.path), children, terms.discipline);
      // The list that was asked for together with the create may have come before it.
      if (standing === null && first !== null) continue;
      const length = standing?.ahead ?? 0;
      if (length > CONTENDERS_ALARMING) {
        terms.warn(`${length} contenders wait for ${terms.path}: each of them lists them all`);
      }
      return standing;
    }
  }

  /**
   * Waits until something happens to the one right before us; what it was the next look tells.
   *
   * The watch is there before the read is sent, so the deletion cannot slip through between the two.
   * A read of a node that is gone leaves no watch behind.
   *
   * If that was the only one in our way, its deletion says that we are first, and the next look costs
   * nothing: who comes later stands behind us, and our own node, which is watched as well, was there
   * when the deletion was told, for a server tells of changes in their order.
   *
   * @param onRead Told what that one's node says of its maker.
   */
  async awaitChange(
    { predecessor, names }: Standing,
    options: SessionOptions,
    onRead: (behind: string | null) => void = () => undefined,
  ): Promise<void> {
    if (predecessor === null) return;
    const { zk, path, discipline } = this.terms;
    const sight = names.length === 1 && isAppendOnly(discipline) ? this.watchOwn(options) : null;
    try {
      const { data, watch } = await zk.getAndWatch(childPath(path, predecessor), options);
      onRead(data === null ? null : data.toString());
      const { kind } = await watch.fired;
      this.isKnownFirst = kind === 'deleted' && sight?.isUnbroken === true;
    } catch (error) {
      if (!(error instanceof NoNodeError || error instanceof ConnectionLossError)) throw error;
    }
  }

  /** Gives the place up, in this turn, whatever it takes. Never rejects. */
  leave(): Promise<void> {
    return this.terms.removals.remove(this.node);
  }

  /** The watch on our node, from before whatever is asked next. */
  private watchOwn(options: SessionOptions): OwnNodeSight {
    const { zk } = this.terms;
    if (this.sight?.isUnbroken !== true) {
      this.sight = new OwnNodeSight(zk, this.node.path, options);
    }
    return this.sight;
  }

  private refuseForeign(children: readonly string[]): void {
    const { discipline, onForeignContender, warn } = this.terms;
    const foreign = foreignAmong(children, discipline);
    if (foreign === null) return;
    const error = new ForeignContenderError(this.terms, foreign.name, foreign.recipe);
    if (onForeignContender === 'throw') throw error;
    warn(error.message);
  }
}

function list({ zk, path }: QueueTerms, options: CallOptions): Promise<NodeChildren> {
  const listing = zk.children(path, options);
  // Nobody asks for it if the create fails.
  listing.catch(() => undefined);
  return listing;
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
