import {
  AbortedError,
  BadVersionError,
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  InvalidArgumentError,
  NoNodeError,
  NodeExistsError,
  NotEmptyError,
  RequestTooLargeError,
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
import {
  ConfigConflictError,
  ConfigOutcomeUnknownError,
  rejection,
  type ConfigVersion,
} from './config-errors.js';
import { entryPath, findEntry, newEntryId } from './config-history.js';
import type { ConfigPlaces } from './config-places.js';
import type { Content, Draft } from './content.js';

/** What is written, and under which condition. */
export interface PublicationTerms extends TimeLimits {
  readonly zk: ZooKeeper;
  readonly places: ConfigPlaces;
  readonly content: Content;
  /** The version that must be there, or its number; -1: there must be none. Unset: any. */
  readonly expected: number | ConfigVersion | undefined;
  readonly acl: readonly Acl[] | undefined;
  /** The zxid of the version that comes back; null: it is a new one. */
  readonly restores: bigint | null;
}

/** How long it waits before it asks again after a broken connection. */
const PAUSE_MS = 50;
const VERSION_MAX = 0x7fff_ffff;

/**
 * Writes one version of a configuration, once or not at all.
 *
 * The data and an entry of the history with an id of this publication are written in one
 * transaction, if what was seen is still there. So a publication whose answer was lost is found by
 * its id, and one that is tried again cannot be applied twice.
 */
export class Publication {
  private readonly id: string;
  private readonly terms: PublicationTerms;
  private readonly limit: TimeLimit;
  private isInDoubt = false;
  /** What the servers had done before the first attempt that may have been applied. */
  private floor = 0n;

  constructor(terms: PublicationTerms) {
    this.terms = terms;
    this.id = newEntryId(terms.zk.random, terms.restores);
    this.limit = new TimeLimit(terms.zk.clock, terms);
  }

  /**
   * @throws {ConfigConflictError} @throws {ConfigRejectedError} It does not fit into a transaction.
   * @throws {ConfigOutcomeUnknownError} @throws what the client throws, with outcome `unknown` only if
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
    if (this.isInDoubt) {
      await this.catchUp();
      const found = await this.find();
      if (found !== null) return found;
    }
    let draft = await this.draft();
    if (this.refusalOf(draft) !== null) {
      // A server that lags behind shows what was replaced long ago.
      await this.catchUp();
      draft = await this.draft();
      const refusal = this.refusalOf(draft);
      // What it conflicts with may be its own first attempt, which came late.
      if (refusal !== null) return await this.findOr(refusal);
    }
    return await this.commit(draft);
  }

  private draft(): Promise<Draft> {
    return this.terms.content.draft(() => this.limit.rest());
  }

  private async commit(draft: Draft): Promise<ConfigVersion | null> {
    const { zk, places, content, acl } = this.terms;
    const { isTree, record } = content;
    const transaction: Transaction<TransactionResult[]> = zk.transaction();
    draft.addTo(transaction);
    const last = transaction.size;
    const count = (draft.counter ?? 0) + 1;
    const entry = entryPath(places.history, { isTree, count, id: this.id });
    transaction.create(entry, record, { mode: 'persistentSequential', acl });
    if (!this.isInDoubt) this.floor = zk.lastZxid;
    try {
      const results = await transaction.commit(this.limit.rest());
      const { mzxid } = results[last - 1] as Stat;
      return { number: isTree ? null : count, zxid: mzxid };
    } catch (error) {
      if (error instanceof RequestTooLargeError) throw this.tooLong(error, last);
      if (!(error instanceof TransactionFailedError)) throw error;
      await this.prepareNext(error, draft, last);
      return null;
    }
  }

  /** Sees to what stood in the way of an attempt. @throws what cannot be seen to. */
  private async prepareNext(
    { index, cause }: TransactionFailedError,
    { counter }: Draft,
    last: number,
  ): Promise<void> {
    const { places } = this.terms;
    if (cause instanceof NoNodeError && index === last) {
      await this.ensure(places.history, 'container');
    } else if (cause instanceof NoNodeError && index === 0 && counter === null) {
      await this.ensure(parentPath(places.path) ?? '/', 'persistent');
    } else if (isOvertaken(cause)) {
      await this.catchUp();
    } else {
      throw cause;
    }
  }

  /** What was applied before now is seen afterwards. */
  private async catchUp(): Promise<void> {
    const { zk, places } = this.terms;
    await zk.sync(places.path, this.limit.rest());
  }

  /** Looks for what was written under the id of this publication. */
  private async find(): Promise<ConfigVersion | null> {
    const { zk, places } = this.terms;
    const wanted = { id: this.id, floor: this.floor };
    const found = await findEntry(zk, places.history, wanted, () => this.limit.rest());
    if (found === 'unknown') throw new ConfigOutcomeUnknownError(places.path);
    return found === 'absent' ? null : found;
  }

  private async findOr(refusal: CoordinationError): Promise<ConfigVersion> {
    const found = this.isInDoubt ? await this.find() : null;
    if (found !== null) return found;
    throw refusal;
  }

  private refusalOf({ current, counter }: Draft): CoordinationError | null {
    const { places, expected } = this.terms;
    const conflict = conflictOf(places.path, expected, current);
    if (conflict !== null) return conflict;
    if (counter === null || (counter >= 0 && counter < VERSION_MAX)) return null;
    return new InvalidArgumentError(
      `publish ${places.path}: the counter of its versions runs over at ${counter}, and ` +
        'servers do not compare with negative ones: delete the node and publish again',
    );
  }

  private tooLong({ message }: RequestTooLargeError, changes: number): CoordinationError {
    const { places, content } = this.terms;
    const problem = `${changes} changes do not fit into one transaction (${message})`;
    return rejection(places.path, 'publish', `${problem}: ${content.advice}`);
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

/** Numbers begin anew with a node that is made anew, zxids do not. */
function conflictOf(
  path: string,
  expected: number | ConfigVersion | undefined,
  current: ConfigVersion | null,
): ConfigConflictError | null {
  if (expected === undefined) return null;
  const number = current === null ? -1 : (current.number ?? current.zxid);
  if (typeof expected === 'number') {
    return number === expected ? null : new ConfigConflictError(path, expected, number);
  }
  if (current?.zxid === expected.zxid) return null;
  const wanted = expected.number ?? expected.zxid;
  if (number !== wanted) return new ConfigConflictError(path, wanted, number);
  return new ConfigConflictError(path, expected.zxid, current?.zxid ?? -1);
}

function isOvertaken(error: CoordinationError): boolean {
  const kinds = [BadVersionError, NodeExistsError, NoNodeError, NotEmptyError];
  return kinds.some((kind) => error instanceof kind);
}

/** Another attempt may succeed, or find out. */
function isPassing(error: CoordinationError): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}
