import { childPath, pathProblem, randomUuid, silentLog, type Log } from '@aviary/foundation';
import { InvalidArgumentError, InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import {
  EMPTY,
  Subject,
  distinctUntilChanged,
  map,
  startWith,
  switchMap,
  type Observable,
} from 'rxjs';
import { definitionOf, nameProblem, type ShareOut } from './group-record.js';
import { checkMs } from './milliseconds.js';
import { PartitionsClosedError } from './partition-errors.js';
import { Share, type Assignments, type OwnItem } from './share.js';

/** How a {@link Partitions} behaves. */
export interface PartitionsOptions {
  /** Where groups stand that do not begin with a slash. Default: `/partitions`. */
  readonly root?: string | undefined;
  /**
   * Our name in groups. No other process may have it at the same time. One that comes back under
   * its name gets its items back. Default: a random one, for as long as this object lives.
   */
  readonly member?: string | undefined;
  /** Who we are, for operators: one line, kept in our nodes. Default: the process id. */
  readonly identity?: string | undefined;
  /** Who may do what with the nodes. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Where refusals and overdue work are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** How items are shared. Times are in milliseconds. */
export interface JoinOptions {
  /** How many items there are (`0`, `1`, ...), or their names. All processes must say the same. */
  readonly items: number | readonly string[];
  /**
   * Who owns what. Default: `rendezvous`, which is even for many items and moves only what it must.
   * A function of your own needs a name: processes with another one do not share with this.
   */
  readonly strategy?: 'rendezvous' | ShareOut | undefined;
  /**
   * How long the work on an item may take to end when that moves. Infinity: as long as it likes.
   * Default: 10,000.
   */
  readonly graceMs?: number | undefined;
  /**
   * How long the members must have been the same before items move: a process that restarts within
   * that time under the same name moves nothing. Default: 500.
   */
  readonly settleMs?: number | undefined;
}

/**
 * Shares items out among the members of groups: each item has one owner, or none for a moment, and
 * only those move that have to.
 *
 * @example
 * const partitions = new Partitions(zk, { identity: 'worker-1' });
 * const share = partitions.join('workers', { items: 64 }, async (partition, signal) => {
 *   await consume(partition.index, signal);
 * });
 * await share.leave();
 */
export class Partitions {
  private readonly zk: ZooKeeper;
  private readonly root: string;
  private readonly member: string;
  private readonly options: PartitionsOptions;
  private readonly joined = new Set<Share>();
  /** We have joined a group, or left one. */
  private readonly changes = new Subject<void>();
  private isClosed = false;

  /** @throws {InvalidPathError} @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: PartitionsOptions = {}) {
    const { root = '/partitions', member = randomUuid(zk.random) } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    const wrong = nameProblem(member);
    if (wrong !== null) throw new InvalidArgumentError(`member: ${wrong}`);
    this.zk = zk;
    this.root = root;
    this.member = member;
    this.options = options;
  }

  /** The groups that we are in. */
  get shares(): readonly Share[] {
    return [...this.joined];
  }

  /**
   * Joins a group at once, in the background: `own` is called for each item that becomes ours, with
   * a signal that aborts when it must end. It may take the grace to do so; until then, nobody else
   * owns the item.
   *
   * `own` is expected to work until then. If it returns before, the item stays ours and nothing is
   * done with it; if it throws, it is called again after a pause. While the connection is broken we
   * go on, until the session is no longer certain to live.
   *
   * @param group A path below {@link PartitionsOptions.root}, or absolute if it begins with a
   * slash.
   * @throws {AlreadyPresentError} We are in the group already. @throws {PartitionsClosedError}
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  join(group: string, options: JoinOptions, own: OwnItem): Share {
    const { items, strategy, graceMs = 10_000, settleMs = 500 } = options;
    const path = this.pathOf(group);
    if (this.isClosed) throw new PartitionsClosedError(path);
    checkMs('graceMs', graceMs);
    checkMs('settleMs', settleMs);
    if (settleMs === Infinity) throw new InvalidArgumentError('settleMs must come to an end');
    if (typeof (own as unknown) !== 'function') {
      throw new InvalidArgumentError(`join: own must be a function, not ${typeof own}`);
    }
    const { identity = `${process.pid}`, acl, log = silentLog } = this.options;
    const share = new Share({
      zk: this.zk,
      group: path,
      member: this.member,
      identity,
      definition: definitionOf(items, strategy),
      graceMs,
      settleMs,
      acl,
      log,
      own,
      onLeft: (left) => {
        this.joined.delete(left);
        this.changes.next();
      },
    });
    this.joined.add(share);
    this.changes.next();
    return share;
  }

  /** Our membership in a group; null: we are not in it. @throws {InvalidPathError} */
  share(group: string): Share | null {
    const path = this.pathOf(group);
    return this.shares.find((share) => share.group === path) ?? null;
  }

  /**
   * What a group has agreed upon and what of it is ours: now and after every change, for as long as
   * we are in it, also if we join later, or again. Hot; the latest is replayed; never errors;
   * completes with {@link close}.
   *
   * @throws {InvalidPathError}
   */
  assignments$(group: string): Observable<Assignments> {
    this.pathOf(group);
    return this.changes.pipe(
      startWith(undefined),
      map(() => this.share(group)),
      distinctUntilChanged(),
      switchMap((share) => share?.assignments$ ?? EMPTY),
    );
  }

  /** Leaves all groups, and joins no other. Never rejects; see {@link Share.leave}. */
  async close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.shares.map((share) => share.leave(options)));
    this.changes.complete();
  }

  private pathOf(group: string): string {
    if (typeof group !== 'string' || group === '') {
      throw new InvalidPathError('the path of a group must be a string, and not empty');
    }
    const absolute = group.startsWith('/') ? group : childPath(this.root, group);
    const problem = absolute === '/' ? 'the root cannot be a group' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`join: ${problem}`, { path: group });
    return absolute;
  }
}
