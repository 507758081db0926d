import { childPath, pathProblem, silentLog, type Log } from '@aviary/foundation';
import { InvalidArgumentError, InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import { Removals, pause } from '@aviary/coordination';
import type { OnOverrun, OnSuspended } from './candidacy.js';
import { DISCIPLINES, type LeaderLayout } from './leader-layout.js';
import { LeaderRole } from './leader-role.js';

/** How {@link Leaders} behave. Times are in milliseconds. */
export interface LeadersOptions {
  /** Where roles stand whose names do not begin with a slash. Default: `/leaders`. */
  readonly root?: string | undefined;
  /** The name of this process among those who take part; it should be its own. Default: process id. */
  readonly identity?: string | undefined;
  /** Whose layout: Curator's `LeaderLatch` or its `LeaderSelector`. Default: `latch`. */
  readonly layout?: LeaderLayout | undefined;
  /**
   * What a broken connection means. `abort` (the default): the term ends at once. `hold-until-deadline`:
   * it goes on for as long as the session is certain to live, so short breaks cost nothing. Either way
   * nobody else leads before the session is over, and this process leads again if it is not.
   */
  readonly onSuspended?: OnSuspended | undefined;
  /** How long work may go on after its term before {@link onOverrun}. Default: 5,000. */
  readonly graceMs?: number | undefined;
  /**
   * Whether `whenLeading` makes this process take part. Default: true. False: it only observes until
   * `campaign` is called, and `whenLeading` rejects with NotCampaigningError.
   */
  readonly campaign?: boolean | undefined;
  /** What becomes of work that goes on even then. Default: `warn`. */
  readonly onOverrun?: OnOverrun | undefined;
  /** Who may do what with the role's nodes. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /**
   * What to do about a contender of another recipe in the role's directory, beside which there would
   * be two leaders. Default: `throw`, so this process takes no part as long as it is there. `warn`: log it and go on.
   */
  readonly onForeignContender?: 'throw' | 'warn' | undefined;
  /** Default: nowhere. */
  readonly log?: Log | undefined;
}

/** Where roles stand whose names do not begin with a slash. */
export const LEADERS_ROOT = '/leaders';

const GRACE_MS_DEFAULT = 5_000;

/**
 * Roles of which each has one leader at a time, in the layout of Curator's `LeaderLatch` or
 * `LeaderSelector`, so that Java processes may contend for the same ones.
 *
 * @example
 * const leaders = new Leaders(zk, { identity: 'reports-1' });
 * const reports = leaders.role('reports');
 * reports.campaign();
 * reports.status$.subscribe(({ leader }) => console.log('leads:', leader?.id));
 * const term = await reports.whenLeading({ waitMs: 60_000 });
 * await term.run(() => send(reports, { signal: term.signal, fence: term.token }));
 */
export class Leaders {
  /** The name of this process among those who take part. */
  readonly identity: string;
  private readonly zk: ZooKeeper;
  private readonly options: LeadersOptions;
  private readonly removals: Removals;
  private readonly known = new Map<string, LeaderRole>();
  private closing: Promise<void> | null = null;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: LeadersOptions = {}) {
    const { root = LEADERS_ROOT, identity = `${process.pid}`, log = silentLog } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    checkOptions(options);
    this.zk = zk;
    this.options = options;
    this.identity = identity;
    this.removals = new Removals(zk, log);
  }

  /** The roles that were asked for, in that order. */
  get roles(): readonly LeaderRole[] {
    return [...this.known.values()];
  }

  /**
   * The role of that name; the same object each time. It only observes until it campaigns.
   *
   * @param name Below {@link LeadersOptions.root}, or absolute if it begins with a slash.
   * @throws {InvalidPathError}
   */
  role(name: string): LeaderRole {
    const path = this.pathOf(name);
    const known = this.known.get(path);
    if (known !== undefined) return known;
    const { options } = this;
    const role = new LeaderRole({
      zk: this.zk,
      role: name,
      path,
      id: this.identity,
      onlyObserves: options.campaign === false,
      discipline: DISCIPLINES[options.layout ?? 'latch'],
      acl: options.acl,
      onForeignContender: options.onForeignContender ?? 'throw',
      onSuspended: options.onSuspended ?? 'abort',
      onOverrun: options.onOverrun ?? 'warn',
      graceMs: options.graceMs ?? GRACE_MS_DEFAULT,
      removals: this.removals,
      log: options.log ?? silentLog,
    });
    if (this.closing !== null) void role.close();
    this.known.set(path, role);
    return role;
  }

  /** The path of a role as the client knows it. @throws {InvalidPathError} */
  pathOf(name: string): string {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidPathError('the name of a role must be a string, and not empty');
    }
    const { root = LEADERS_ROOT } = this.options;
    const path = name.startsWith('/') ? name : childPath(root, name);
    const problem = path === '/' ? 'the root cannot be a role' : pathProblem(path);
    if (problem !== null) throw new InvalidPathError(`role: ${problem}`, { path });
    return path;
  }

  /**
   * Steps down from all roles, begins no term any more, and resolves when the work of the terms has
   * ended, or its grace period. Never rejects.
   */
  resignAll(): Promise<void> {
    this.closing ??= Promise.all(this.roles.map((role) => role.close())).then(() => undefined);
    return this.closing;
  }

  /**
   * As {@link resignAll}, and waits until the servers have no node of it any more: at most
   * `deadlineMs` longer, by default 3,000. Never rejects.
   */
  async close({ deadlineMs = 3_000 }: { readonly deadlineMs?: number } = {}): Promise<void> {
    await this.resignAll();
    const late = new AbortController();
    await Promise.race([
      this.removals.whenAllGone(),
      pause(this.zk.clock, deadlineMs, late.signal),
    ]);
    late.abort();
  }
}

function checkOptions(options: LeadersOptions): void {
  const { graceMs = 0, layout = 'latch', onSuspended = 'abort', onOverrun = 'warn' } = options;
  const { onForeignContender = 'throw', campaign = true } = options;
  if (typeof campaign !== 'boolean') {
    throw new InvalidArgumentError(`campaign must be a boolean, not ${String(campaign)}`);
  }
  if (!(typeof graceMs === 'number' && graceMs >= 0)) {
    throw new InvalidArgumentError(
      `graceMs must be a number of milliseconds from 0 up, not ${String(graceMs)}`,
    );
  }
  const check = (name: string, given: string, ways: readonly string[]) => {
    if (ways.includes(given)) return;
    throw new InvalidArgumentError(`${name} must be one of ${ways.join(', ')}, not ${given}`);
  };
  check('layout', layout, Object.keys(DISCIPLINES));
  check('onSuspended', onSuspended, ['abort', 'hold-until-deadline']);
  check('onOverrun', onOverrun, ['warn', 'exit-process']);
  check('onForeignContender', onForeignContender, ['throw', 'warn']);
}
