import { randomUUID } from 'node:crypto';
import {
  AbortedError,
  BadVersionError,
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  InvalidArgumentError,
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
import { TimeLimit, pause, type TimeLimits } from '@aviary/coordination';
import { parentPath } from '@aviary/foundation';
import { ConfigConflictError, type ConfigVersion } from './config-errors.js';
import { entryPath, findEntry } from './config-history.js';
import type { ConfigPlaces } from './config-places.js';

/** What is written, and under which condition. */
export interface PublicationTerms extends TimeLimits {
  readonly zk: ZooKeeper;
  readonly places: ConfigPlaces;
  readonly data: Buffer;
  /** The version that the node must have; -1: there must be none. Unset: any. */
  readonly expected: number | undefined;
  readonly acl: readonly Acl[] | undefined;
}

/** How long it waits before it asks again after a broken connection. */
const PAUSE_MS = 50;
const VERSION_MAX = 0x7fff_ffff;

/**
 * Writes one version of a configuration, once or not at all.
 *
 * The data and an entry of the history with an id of this publication are written in one
 * transaction, if the node still has the version that was seen. So a publication whose answer was
 * lost is found by its id, and one that is tried again cannot be applied twice.
 */
export class Publication {
  private readonly id = randomUUID();
  private readonly terms: PublicationTerms;
  private readonly limit: TimeLimit;
  private isInDoubt = false;

  constructor(terms: PublicationTerms) {
    this.terms = terms;
    this.limit = new TimeLimit(terms.zk.clock, terms);
  }

  /**
   * @throws {ConfigConflictError} @throws what the client throws, with outcome `unknown` only if
   * the time was over before anybody could look whether it was applied.
   */
  async run(): Promise<ConfigVersion> {
    for (;;) {
      try {
        const version = await this.attempt();
        if (version !== null) return version;
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        if (!isPassing(error)) throw this.inDoubt(error);
        if (error.outcome === 'unknown') this.isInDoubt = true;
        await pause(this.terms.zk.clock, PAUSE_MS, this.limit.signal);
      }
    }
  }

  /** Null: somebody else published meanwhile, or a directory was missing; try again. */
  private async attempt(): Promise<ConfigVersion | null> {
    const { zk, places } = this.terms;
    const found = this.isInDoubt ? await this.find() : null;
    if (found !== null) return found;
    const stat = await zk.exists(places.path, this.limit.rest());
    const refusal = this.refusalAt(stat);
    // What it conflicts with may be its own first attempt, which came late.
    if (refusal !== null) return await this.findOr(refusal);
    try {
      return await this.commit(stat);
    } catch (error) {
      if (!(error instanceof TransactionFailedError)) throw error;
      await this.prepareNext(error, stat);
      return null;
    }
  }

  /** The node is made empty and then written to, since only of a write servers tell the zxid. */
  private async commit(stat: Stat | null): Promise<ConfigVersion> {
    const { zk, places, data, acl } = this.terms;
    const version = stat?.version ?? 0;
    const start: Transaction<TransactionResult[]> = zk.transaction();
    if (stat === null) start.create(places.path, undefined, { acl });
    const entry = entryPath(places.history, version + 1, this.id);
    const results = await start
      .set(places.path, data, { version })
      .create(entry, data, { mode: 'persistentSequential', acl })
      .commit(this.limit.rest());
    const { mzxid } = results.at(-2) as Stat;
    return { number: version + 1, zxid: mzxid };
  }

  /** Sees to what stood in the way of an attempt. @throws what cannot be seen to. */
  private async prepareNext(
    { index, cause }: TransactionFailedError,
    stat: Stat | null,
  ): Promise<void> {
    const { zk, places } = this.terms;
    if (cause instanceof NoNodeError && index === (stat === null ? 2 : 1)) {
      await this.ensure(places.history, 'container');
    } else if (cause instanceof NoNodeError && stat === null) {
      await this.ensure(parentPath(places.path) ?? '/', 'persistent');
    } else if (isOvertaken(cause)) {
      await zk.sync(places.path, this.limit.rest());
    } else {
      throw cause;
    }
  }

  /** Looks for what was written under the id of this publication. */
  private async find(): Promise<ConfigVersion | null> {
    const { zk, places } = this.terms;
    // What was applied before the answer was lost is seen after the sync.
    await zk.sync(places.path, this.limit.rest());
    return findEntry(zk, places.history, this.id, () => this.limit.rest());
  }

  private async findOr(refusal: CoordinationError): Promise<ConfigVersion> {
    const found = this.isInDoubt ? await this.find() : null;
    if (found !== null) return found;
    throw refusal;
  }

  private refusalAt(stat: Stat | null): CoordinationError | null {
    const { places, expected } = this.terms;
    const actual = stat?.version ?? -1;
    if (expected !== undefined && expected !== actual) {
      return new ConfigConflictError(places.path, expected, actual);
    }
    if (stat === null || (stat.version >= 0 && stat.version < VERSION_MAX)) return null;
    return new InvalidArgumentError(
      `publish ${places.path}: the counter of its versions runs over at ${stat.version}, and ` +
        'servers do not compare with negative ones: delete the node and publish again',
    );
  }

  private async ensure(path: string, mode: 'container' | 'persistent'): Promise<void> {
    const { zk, acl } = this.terms;
    await zk.ensurePath(path, { mode, acl, ...this.limit.rest() });
  }

  /**
   * The error of a publication that may have been applied says so, whichever call it comes from.
   */
  private inDoubt(error: CoordinationError): CoordinationError {
    if (!this.isInDoubt || error.outcome !== 'notApplied') return error;
    const { path } = this.terms.places;
    const facts = { outcome: 'unknown', operation: 'publish', path, cause: error } as const;
    const message = `publish ${path}: an earlier attempt may have been applied: ${error.message}`;
    if (error instanceof AbortedError) return new AbortedError(message, facts);
    if (error instanceof ConfigConflictError) return error;
    return new DeadlineExceededError(message, facts);
  }
}

function isOvertaken(error: CoordinationError): boolean {
  const kinds = [BadVersionError, NodeExistsError, NoNodeError];
  return kinds.some((kind) => error instanceof kind);
}

/** Another attempt may succeed, or find out. */
function isPassing(error: CoordinationError): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}
