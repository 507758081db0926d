import {
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  NoNodeError,
  NodeExistsError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
  type Transaction,
  type TransactionResult,
  type ZooKeeper,
} from '@aviary/client';
import { childPath, type Random } from '@aviary/foundation';
import type { ItemName } from './item-names.js';

/** Where a queue keeps its items and claims, and who claims. */
export interface ClaimTerms {
  readonly zk: ZooKeeper;
  /** The directory of the items. */
  readonly path: string;
  /** The directory of the claims. */
  readonly lockPath: string;
  readonly acl: readonly Acl[] | undefined;
  readonly identity: string;
  readonly random: Random;
}

/** How an attempt to end a claim went. `lost`: the claim was not ours any more; nothing was done. */
export type Settlement = 'done' | 'lost';

type Steps = Transaction<TransactionResult[]>;

/**
 * One item that is ours to work on: an ephemeral node of its name in the directory of claims, as Curator's
 * `lockPath`.
 *
 * The claim and a new version of the item are written in one transaction. So the version counts how often
 * the item was claimed; and whoever ends a claim compares with the version that his claim gave it. A
 * consumer that slept past its session cannot end the work of the next one: its requests belong to
 * its session, and even without that the version is another one.
 */
export class Claim {
  readonly item: ItemName;
  /** The node of the item. */
  readonly itemPath: string;
  /** The bytes of the item. */
  readonly data: Buffer;
  /** The transaction that made the item's node. */
  readonly czxid: bigint;
  /** The transaction of the claim: greater for each later claim of this item. */
  readonly token: bigint;
  readonly sessionId: bigint;
  private readonly terms: ClaimTerms;
  private readonly path: string;
  private readonly mark: string;
  /** What somebody has put below the item: a dead letter has its error there. */
  private readonly children: readonly string[];
  private version: number;

  private constructor(terms: ClaimTerms, facts: ClaimFacts) {
    this.terms = terms;
    this.item = facts.item;
    this.itemPath = childPath(terms.path, facts.item.name);
    this.path = childPath(terms.lockPath, facts.item.name);
    this.data = facts.data;
    this.czxid = facts.czxid;
    this.token = facts.token;
    this.sessionId = facts.sessionId;
    this.mark = facts.mark;
    this.children = facts.children;
    this.version = facts.version;
  }

  /** How often the item was claimed or tried again, this time included. */
  get attempt(): number {
    return this.version;
  }

  /**
   * Claims an item, if nobody else has. null: somebody has, or it is gone, or its session ended.
   *
   * @throws refusals of the server; nothing is claimed then.
   */
  static async take(terms: ClaimTerms, item: ItemName, sessionId: bigint): Promise<Claim | null> {
    const { zk } = terms;
    const options: CallOptions = { inSession: sessionId, deadlineMs: Infinity };
    const itemPath = childPath(terms.path, item.name);
    const path = childPath(terms.lockPath, item.name);
    const mark = `${terms.identity} ${Buffer.from(terms.random.bytes(8)).toString('hex')}`;
    try {
      const { data, stat } = await zk.get(itemPath, options);
      // A negative version compares with nothing: 2^31 attempts have spent it.
      if (stat.version < 0) return null;
      const bytes = data ?? Buffer.alloc(0);
      const children =
        stat.numChildren === 0 ? [] : (await zk.children(itemPath, options)).children;
      const facts = { item, data: bytes, czxid: stat.czxid, sessionId, mark, children };
      const version = stat.version + 1;
      for (;;) {
        try {
          const [, written] = await zk
            .transaction()
            .create(path, mark, { mode: 'ephemeral', acl: terms.acl })
            .set(itemPath, bytes, { version: stat.version })
            .commit(options);
          return new Claim(terms, { ...facts, version, token: written.mzxid });
        } catch (error) {
          if (isMissingDirectory(error)) {
            const { acl } = terms;
            await zk.ensurePath(terms.lockPath, { mode: 'container', acl, deadlineMs: Infinity });
            continue;
          }
          const isLost = error instanceof ConnectionLossError && error.outcome === 'unknown';
          if (!isLost) throw error;
          const token = await ownClaimAt(zk, path, mark, options);
          return token === null ? null : new Claim(terms, { ...facts, version, token });
        }
      }
    } catch (error) {
      const refusal = error instanceof TransactionFailedError ? error.cause : error;
      if (isOver(refusal) || isTaken(refusal)) return null;
      throw error;
    }
  }

  /** The item is done with: it goes, and the claim with it. */
  done(): Promise<Settlement> {
    return this.end((steps) => this.deleteItem(steps));
  }

  /** The item goes, and `steps` come in its place, in the same transaction. */
  replace(add: (steps: Steps) => Steps, makeParents: () => Promise<void>): Promise<Settlement> {
    return this.end((steps) => add(this.deleteItem(steps)), makeParents);
  }

  /** The item stays, and anybody may claim it. */
  release(): Promise<Settlement> {
    return this.end((steps) => steps.check(this.itemPath, { version: this.version }));
  }

  /** Counts another attempt under the same claim. */
  async again(): Promise<Settlement> {
    const { version } = this;
    const settled = await this.commit(
      (steps) => steps.set(this.itemPath, this.data, { version }),
      async (options) => {
        const stat = await this.terms.zk.exists(this.itemPath, options);
        return stat?.version === version + 1 && (await this.isThere(options));
      },
    );
    if (settled === 'done') this.version = version + 1;
    return settled;
  }

  /** A transaction that is applied only while the claim is ours. For requests in its session. */
  guarded(): Transaction<[undefined, undefined]> {
    const { version } = this;
    return this.terms.zk
      .transaction()
      .check(this.path, { version: 0 })
      .check(this.itemPath, { version });
  }

  private deleteItem(steps: Steps): Steps {
    let all = steps;
    for (const name of this.children) all = all.delete(childPath(this.itemPath, name));
    return all.delete(this.itemPath, { version: this.version });
  }

  /** Ends the claim, together with what `build` adds. */
  private async end(
    build: (steps: Steps) => Steps,
    makeParents?: () => Promise<void>,
  ): Promise<Settlement> {
    const settled = await this.commit(
      (steps) => build(steps).delete(this.path, { version: 0 }),
      // Nobody else ends it while our session lives.
      async (options) => !(await this.isThere(options)),
      makeParents,
    );
    if (settled === 'lost') await this.tidy();
    return settled;
  }

  /** If somebody took the item away under our claim, the claim is still there. */
  private async tidy(): Promise<void> {
    const options: CallOptions = { inSession: this.sessionId, deadlineMs: Infinity };
    try {
      if (await this.isThere(options)) await this.terms.zk.delete(this.path, options);
    } catch (error) {
      // It goes with its session, at the latest.
      if (!(error instanceof CoordinationError)) throw error;
    }
  }

  /**
   * Applies what `build` collects behind a check of the claim, once, in the session of the claim.
   *
   * @param wasApplied Finds out after a lost answer.
   */
  private async commit(
    build: (steps: Steps) => Steps,
    wasApplied: (options: CallOptions) => Promise<boolean>,
    makeParents?: () => Promise<void>,
  ): Promise<Settlement> {
    const { zk } = this.terms;
    const options: CallOptions = { inSession: this.sessionId, deadlineMs: Infinity };
    for (let isUnknown = false; ;) {
      try {
        if (isUnknown) {
          await zk.sync(this.itemPath, options);
          if (await wasApplied(options)) return 'done';
          isUnknown = false;
        }
        const steps: Steps = zk.transaction();
        await build(steps.check(this.path, { version: 0 })).commit(options);
        return 'done';
      } catch (error) {
        if (isOver(error)) return 'lost';
        if (error instanceof ConnectionLossError) {
          isUnknown ||= error.outcome === 'unknown';
          continue;
        }
        if (!(error instanceof TransactionFailedError)) throw error;
        const { cause } = error;
        const isOurs = cause.path === this.path || cause.path === this.itemPath;
        if (isOurs && (cause instanceof NoNodeError || cause instanceof BadVersionError)) {
          return 'lost';
        }
        if (makeParents === undefined || !(cause instanceof NoNodeError)) throw error;
        await makeParents();
      }
    }
  }

  private async isThere(options: CallOptions): Promise<boolean> {
    return (await ownClaimAt(this.terms.zk, this.path, this.mark, options)) !== null;
  }
}

interface ClaimFacts {
  readonly item: ItemName;
  readonly data: Buffer;
  readonly czxid: bigint;
  readonly token: bigint;
  readonly sessionId: bigint;
  readonly mark: string;
  readonly children: readonly string[];
  readonly version: number;
}

/** The czxid of the claim at `path`, if it is the one with this mark; else null. */
async function ownClaimAt(
  zk: ZooKeeper,
  path: string,
  mark: string,
  options: CallOptions,
): Promise<bigint | null> {
  for (;;) {
    try {
      await zk.sync(path, options);
      const { data, stat } = await zk.get(path, options);
      return String(data) === mark ? stat.czxid : null;
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      if (!(error instanceof ConnectionLossError)) throw error;
    }
  }
}

/** The directory of the claims is a container, and goes when it is empty. */
function isMissingDirectory(error: unknown): boolean {
  return (
    error instanceof TransactionFailedError &&
    error.index === 0 &&
    error.cause instanceof NoNodeError
  );
}

function isTaken(error: unknown): boolean {
  return (
    error instanceof NodeExistsError ||
    error instanceof NoNodeError ||
    error instanceof BadVersionError ||
    error instanceof ConnectionLossError
  );
}

/** The session of the claim is over, and so the claim. */
function isOver(error: unknown): boolean {
  return error instanceof SessionExpiredError || error instanceof ClosedError;
}
