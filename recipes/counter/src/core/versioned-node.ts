import {
  BadVersionError,
  ConnectionLossError,
  CoordinationError,
  NoNodeError,
  NodeExistsError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type Stat,
  type Transaction,
  type TransactionResult,
  type ZooKeeper,
} from '@aviary/client';
import { parentPath } from '@aviary/foundation';
import type { Receipts, TimeLimit } from '@aviary/coordination';
import { VersionSpentError } from './counter-errors.js';

/** The node as it was read; null: it is not there. */
export type Seen = { readonly data: Buffer; readonly stat: Stat } | null;

/**
 * What became of one exchange. `applied`: the node had the version and has our bytes. `conflict`: it was
 * changed by somebody else, or the attempt failed without a trace; nothing was written. `ambiguous`: it may have been
 * written, and nobody can find out any more.
 */
export type Exchange =
  | { readonly outcome: 'applied'; readonly version: number | null }
  | { readonly outcome: 'conflict' }
  | {
      readonly outcome: 'ambiguous';
      readonly version: number | null;
      readonly cause: CoordinationError;
    };

const CONFLICT: Exchange = { outcome: 'conflict' };
const EMPTY = Buffer.alloc(0);

/** Servers take it for any version: nothing is compared with it. */
const ANY_VERSION = -1;
/** Some servers go from here to {@link ANY_VERSION}, others leave that out. */
const LAST_VERSION = -2;

/** What a {@link VersionedNode} works with. */
export interface VersionedNodeTerms {
  readonly zk: ZooKeeper;
  readonly path: string;
  readonly acl: readonly Acl[] | undefined;
  /** null: nothing but the node itself is written. */
  readonly receipts: Receipts | null;
}

/**
 * One persistent node whose bytes are exchanged for others only if nobody else changed them since they
 * were read. It may be missing; to exchange nothing for something creates it.
 */
export class VersionedNode {
  private readonly terms: VersionedNodeTerms;

  constructor(terms: VersionedNodeTerms) {
    this.terms = terms;
  }

  get path(): string {
    return this.terms.path;
  }

  async read(limit: TimeLimit): Promise<Seen> {
    try {
      const { data, stat } = await this.terms.zk.get(this.path, limit.rest());
      return { data: data ?? EMPTY, stat };
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }

  /**
   * Writes `data` if the node still is as it was `seen`. Never writes twice.
   *
   * @throws {VersionSpentError} @throws what the client's writes throw, with outcome `notApplied`.
   */
  async exchange(seen: Seen, data: Buffer, limit: TimeLimit): Promise<Exchange> {
    if (seen?.stat.version === ANY_VERSION) throw new VersionSpentError(this.path);
    for (;;) {
      try {
        return { outcome: 'applied', version: await this.write(seen, data, limit) };
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        const refusal = error instanceof TransactionFailedError ? error.cause : error;
        if (refusal instanceof BadVersionError || refusal instanceof NodeExistsError) {
          return CONFLICT;
        }
        if (refusal instanceof NoNodeError) {
          if (seen !== null) return CONFLICT;
          // Containers go when they are empty: what is above may vanish as often as it is made.
          await this.makeParent(limit);
          limit.assertLeft('counter', this.path);
          continue;
        }
        if (error.outcome === 'unknown') return this.prove(seen, data, error, limit);
        if (error instanceof ConnectionLossError || error instanceof SessionExpiredError) {
          return CONFLICT;
        }
        throw error;
      }
    }
  }

  /** @returns The version that the node has since; null: the answer with it is lost. */
  private async write(seen: Seen, data: Buffer, limit: TimeLimit): Promise<number | null> {
    const { zk, path, acl, receipts } = this.terms;
    if (seen === null) {
      if (receipts === null) await zk.create(path, data, { acl, ...limit.rest() });
      else await this.commit(() => zk.transaction().create(path, data, { acl }), limit);
      return 0;
    }
    const { version } = seen.stat;
    if (version === LAST_VERSION) return this.writeBeyond(data, limit);
    if (receipts === null) await zk.set(path, data, { version, ...limit.rest() });
    else await this.commit(() => zk.transaction().set(path, data, { version }), limit);
    return nextVersion(version);
  }

  /**
   * Writes twice at once, so that nobody is shown {@link ANY_VERSION}: with it others would take
   * for compared what is not.
   */
  private async writeBeyond(data: Buffer, limit: TimeLimit): Promise<number | null> {
    const { zk, path } = this.terms;
    const beyond = () => zk.transaction().set(path, '', { version: LAST_VERSION }).set(path, data);
    const results = await this.commit(beyond, limit);
    return results === null ? null : results[1].version;
  }

  /** The results; null: it was applied, and the answer with them is lost. */
  private commit<R extends readonly TransactionResult[]>(
    build: () => Transaction<R>,
    limit: TimeLimit,
  ): Promise<R | null> {
    const { receipts } = this.terms;
    if (receipts === null) return build().commit(limit.rest());
    return receipts.commit(build, { waitMs: limit.restMs, signal: limit.signal });
  }

  private async makeParent(limit: TimeLimit): Promise<void> {
    const { zk, acl } = this.terms;
    const parent = parentPath(this.path) ?? '/';
    if (parent === '/') return;
    await zk.ensurePath(parent, { mode: 'container', acl, ...limit.rest() });
  }

  /**
   * Looks whether a write whose outcome is unknown was applied. What the node shows can prove that it was
   * not. It cannot prove that it was: somebody else may have written the same bytes.
   */
  private async prove(
    seen: Seen,
    data: Buffer,
    cause: CoordinationError,
    limit: TimeLimit,
  ): Promise<Exchange> {
    const { zk } = this.terms;
    const isKnown = seen?.stat.version !== LAST_VERSION;
    const version = isKnown ? nextVersion(seen?.stat.version ?? ANY_VERSION) : null;
    const ambiguous: Exchange = { outcome: 'ambiguous', version, cause };
    for (;;) {
      try {
        // Whatever of the old session came to the leader before it is seen after the sync.
        await zk.sync(this.path, limit.rest());
        return wasNotWritten(seen, data, await this.read(limit)) ? CONFLICT : ambiguous;
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        const mayPass =
          error instanceof ConnectionLossError || error instanceof SessionExpiredError;
        if (!mayPass || limit.isOver) return ambiguous;
      }
    }
  }
}

/** Whether what is there `now` proves that nobody exchanged `seen` for `data`. */
function wasNotWritten(seen: Seen, data: Buffer, now: Seen): boolean {
  if (seen === null) {
    if (now === null) return true;
    return now.stat.version === 0 && !now.data.equals(data);
  }
  // Deleted since, or made anew: what happened before is forgotten.
  if (now?.stat.czxid !== seen.stat.czxid) return false;
  const { version } = seen.stat;
  if (now.stat.version === version) return true;
  // From here servers do not go on alike, so the next version tells nothing.
  if (version === LAST_VERSION) return false;
  return now.stat.version === nextVersion(version) && !now.data.equals(data);
}

/** Versions are counted with 32 bits. */
function nextVersion(version: number): number {
  return (version + 1) | 0;
}
