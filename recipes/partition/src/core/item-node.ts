import { childPath, type Log } from '@aviary/foundation';
import {
  AuthFailedError,
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  NoNodeError,
  NodeExistsError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
  type Stat,
  type ZooKeeper,
} from '@aviary/client';
import { pause } from '@aviary/coordination';
import type { GroupRecord } from './group-record.js';

/** The first pause after a refusal of the servers; each later one is twice as long. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/** What the nodes of a group's items are made with. */
export interface ItemNodeTerms {
  readonly zk: ZooKeeper;
  /** The group's node, whose version claims are checked against. */
  readonly group: string;
  /** The directory of the items' nodes. */
  readonly owners: string;
  /** What our nodes say of their maker. */
  readonly data: string;
  readonly acl: readonly Acl[] | undefined;
  readonly log: Log;
}

/** A node of ours. */
export interface OwnedNode {
  readonly path: string;
  readonly sessionId: bigint;
  readonly stat: Stat;
}

/** Who has made, or makes, which node, by client. */
const holdersOf = new WeakMap<ZooKeeper, Map<string, ItemNodes>>();

/**
 * The nodes that say who owns an item: an ephemeral one for each, made by its owner. Their paths
 * are fixed, so every step looks whose node it meets.
 */
export class ItemNodes {
  private readonly terms: ItemNodeTerms;
  /** Of all members on this client, by path: they have one session, which cannot tell them apart. */
  private readonly holders: Map<string, ItemNodes>;

  constructor(terms: ItemNodeTerms) {
    const { zk } = terms;
    this.terms = terms;
    this.holders = holdersOf.get(zk) ?? new Map<string, ItemNodes>();
    holdersOf.set(zk, this.holders);
  }

  pathOf(item: string): string {
    return childPath(this.terms.owners, item);
  }

  /**
   * Makes our node in one transaction with the check that the group's node has the version of
   * `agreement`.
   *
   * @returns `stale`: it has not, or is another node. `taken`: another session's node is there, be
   * it one of ours before; or that of another member with our session.
   * @throws {SessionExpiredError} Nothing is left then. @throws what else the client throws, after
   * which {@link release} must be called.
   */
  async claim(
    item: string,
    agreement: Pick<GroupRecord, 'version' | 'origin'>,
    options: CallOptions & { readonly inSession: bigint },
  ): Promise<OwnedNode | 'stale' | 'taken'> {
    const path = this.pathOf(item);
    if ((this.holders.get(path) ?? this) !== this) return 'taken';
    this.holders.set(path, this);
    try {
      const claimed = await this.make(path, agreement, options);
      if (claimed === 'stale' || claimed === 'taken') this.forget(path);
      return claimed;
    } catch (error) {
      if (error instanceof SessionExpiredError) this.forget(path);
      throw error;
    }
  }

  private async make(
    path: string,
    { version, origin }: Pick<GroupRecord, 'version' | 'origin'>,
    options: CallOptions & { readonly inSession: bigint },
  ): Promise<OwnedNode | 'stale' | 'taken'> {
    const { zk, group, data, acl } = this.terms;
    const { inSession: sessionId } = options;
    /** An attempt before this one was applied, or nobody knows. */
    let mayStand = false;
    for (;;) {
      try {
        const transaction = zk.transaction().check(group, { version });
        await transaction.create(path, data, { mode: 'ephemeral', acl }).commit(options);
      } catch (error) {
        const refusal = await this.refusalOf(error, options);
        if (refusal === 'stale') {
          // It was made for the agreement before, by which it may even have been ours.
          if (mayStand) await this.remove(path, sessionId);
          return 'stale';
        }
        if (refusal === 'again') continue;
      }
      mayStand = true;
      // Whatever the answer was, or whether there was one: what stands there says whose it is.
      const [stat, ofGroup] = await Promise.all([
        this.read(path, options),
        this.read(group, options),
      ]);
      if (stat === null) continue;
      if (stat.ephemeralOwner !== sessionId) return 'taken';
      // Versions begin anew with a group that everybody had left.
      if (ofGroup?.czxid !== origin) {
        await this.remove(path, sessionId);
        return 'stale';
      }
      if (zk.isSessionCertain(sessionId)) return { path, sessionId, stat };
    }
  }

  /**
   * Resolves when the node of the item is gone, or `signal` aborts. Rejects if the client is of no
   * use.
   */
  async untilFree(item: string, signal: AbortSignal): Promise<void> {
    const { zk } = this.terms;
    const isOver = () => signal.aborted;
    while (!isOver()) {
      try {
        const { watch } = await zk.getAndWatch(this.pathOf(item), { signal, deadlineMs: Infinity });
        await watch.fired;
      } catch (error) {
        if (error instanceof NoNodeError || isOver()) return;
        const isBroken =
          error instanceof ConnectionLossError || error instanceof SessionExpiredError;
        if (!isBroken) throw error;
      }
    }
  }

  /**
   * Deletes the node that this session made, whatever it takes, and nobody else's. Resolves when it
   * is gone or the session is over; never rejects.
   */
  async release(item: string, sessionId: bigint): Promise<void> {
    const path = this.pathOf(item);
    await this.remove(path, sessionId);
    this.forget(path);
  }

  private forget(path: string): void {
    if (this.holders.get(path) === this) this.holders.delete(path);
  }

  private async remove(path: string, sessionId: bigint): Promise<void> {
    const { zk, log } = this.terms;
    const options = { inSession: sessionId, deadlineMs: Infinity };
    for (let pauseMs = PAUSE_MS; ;) {
      try {
        // A server that is behind would show no node where ours is, or ours where by now the next
        // owner's is. What is read after the sync is not from before it.
        const [, stat] = await Promise.all([zk.sync(path, options), zk.exists(path, options)]);
        if (stat?.ephemeralOwner !== sessionId) return;
        await zk.delete(path, { version: stat.version, ...options });
        return;
      } catch (error) {
        if (error instanceof NoNodeError || error instanceof SessionExpiredError) return;
        if (error instanceof ClosedError || error instanceof AuthFailedError) return;
        if (error instanceof ConnectionLossError || error instanceof BadVersionError) continue;
        log.error(`the node ${path} cannot be deleted, so nobody else can own its item`, { error });
      }
      await pause(zk.clock, pauseMs);
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
    }
  }

  /** What follows from a failed transaction. `look`: see whose node is there. */
  private async refusalOf(
    error: unknown,
    { signal, deadlineMs }: CallOptions,
  ): Promise<'stale' | 'again' | 'look'> {
    if (error instanceof ConnectionLossError) return 'look';
    if (!(error instanceof TransactionFailedError)) throw error;
    const { index, cause } = error;
    if (index === 0 && (cause instanceof BadVersionError || cause instanceof NoNodeError)) {
      return 'stale';
    }
    if (cause instanceof NodeExistsError) return 'look';
    if (!(cause instanceof NoNodeError)) throw cause;
    // Containers go when they are empty: the directory may vanish as often as it is made.
    const { zk, owners, acl } = this.terms;
    await zk.ensurePath(owners, {
      mode: 'container',
      acl,
      signal,
      deadlineMs,
    });
    return 'again';
  }

  private async read(path: string, options: CallOptions): Promise<Stat | null> {
    for (;;) {
      try {
        return await this.terms.zk.exists(path, options);
      } catch (error) {
        if (!(error instanceof ConnectionLossError)) throw error;
      }
    }
  }
}
