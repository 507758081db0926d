import { hostname } from 'node:os';
import {
  InvalidArgumentError,
  InvalidPathError,
  type Acl,
  type WaitOptions,
  type ZooKeeper,
} from '@aviary/client';
import { Trees } from '@aviary/coordination';
import { childPath, pathProblem, randomUuid, silentLog, type Log } from '@aviary/foundation';
import type { Observable } from 'rxjs';
import { Group, type JoinOptions } from './group.js';
import {
  PAYLOAD_FORMATS,
  bytesOf,
  memberOf,
  type Member,
  type MemberChange,
  type PayloadFormat,
} from './member.js';
import type { Membership } from './membership.js';
import { PayloadError } from './membership-errors.js';
import { Presences } from './presences.js';
import { Roster } from './roster.js';

/** How {@link Groups} behave. */
export interface GroupsOptions {
  /** Where groups stand whose names do not begin with a slash. Default: `/groups`. */
  readonly root?: string | undefined;
  /**
   * What members say of themselves that have no payload: one line, and no JSON, which others would take
   * for a payload. Default: host name and process id.
   */
  readonly identity?: string | undefined;
  /** How payloads are written and read. Default: `json`. */
  readonly payload?: PayloadFormat | undefined;
  /** Who may do what with the nodes of members and what is above them. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Where conflicts and refusals are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/**
 * Groups of live members, for the client of one session.
 *
 * @example
 * const groups = new Groups(zk);
 * const me = await groups.join('workers', { zone: 'eu-1' }).whenJoined({ waitMs: 5_000 });
 * groups.members$('workers').subscribe((members) => balanceOver(members));
 * await me.leave();
 */
export class Groups {
  private readonly trees: Trees;
  private readonly root: string;
  private readonly identity: string;
  private readonly format: PayloadFormat;
  private readonly random: ZooKeeper['random'];
  private readonly presences: Presences;
  private readonly groups = new Map<string, Group>();

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: GroupsOptions = {}) {
    const { root = '/groups', payload = 'json', acl, log = silentLog } = options;
    const { identity = `${hostname()} ${process.pid}` } = options;
    if (typeof identity !== 'string') throw new InvalidArgumentError('identity must be a string');
    if (!PAYLOAD_FORMATS.includes(payload)) {
      const known = PAYLOAD_FORMATS.join('", "');
      throw new InvalidArgumentError(`payload must be one of "${known}", not ${payload as string}`);
    }
    const problem = typeof root === 'string' ? pathProblem(root) : 'a path must be a string';
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    this.trees = Trees.of(zk);
    this.root = root;
    this.identity = identity;
    this.format = payload;
    this.random = zk.random;
    this.presences = new Presences(zk, acl, log);
  }

  /** The groups that this process is a member of, one entry for each membership that has not left. */
  get memberships(): readonly Membership[] {
    return this.presences.memberships;
  }

  /**
   * A group; the same object for the same name.
   *
   * @param name Below {@link GroupsOptions.root}, or an absolute path. @throws {InvalidPathError}
   */
  group<P = unknown>(name: string): Group<P> {
    const path = this.pathOf(name);
    let group = this.groups.get(path);
    if (group === undefined) {
      const { format, identity } = this;
      const tree = this.trees.tree(path, { depthMax: 1 });
      const roster = new Roster<Member>(tree, (node) => memberOf(format, node));
      const encode = (payload: unknown) => encoded(format, payload, path);
      const enter = (payload: unknown, { ttlMs, owner, id }: JoinOptions) => {
        if (owner !== undefined && (id === undefined || ttlMs === undefined)) {
          throw new InvalidArgumentError(
            'join: an owner needs an `id` and `ttlMs` that stay the same',
          );
        }
        const data = payload === undefined ? Buffer.from(identity) : encode(payload);
        const name = id ?? randomUuid(this.random);
        const terms = { path: memberPath(path, name), id: name, data, encode, ttlMs, owner };
        return this.presences.join(terms);
      };
      group = new Group({ name, path, roster, enter });
      this.groups.set(path, group);
    }
    return group as Group<P>;
  }

  /** As {@link Group.join}. */
  join<P>(name: string, payload?: P, options?: JoinOptions): Membership<P> {
    return this.group<P>(name).join(payload, options);
  }

  /** As {@link Group.members$}. */
  members$<P = unknown>(name: string): Observable<readonly Member<P>[]> {
    return this.group<P>(name).members$;
  }

  /** As {@link Group.changes$}. */
  changes$<P = unknown>(name: string): Observable<MemberChange<Member<P>>> {
    return this.group<P>(name).changes$;
  }

  /** As {@link Group.members}. */
  members<P = unknown>(name: string, options?: WaitOptions): Promise<readonly Member<P>[]> {
    return this.group<P>(name).members(options);
  }

  /** Leaves all groups and joins no more, with MembershipsClosedError. Never rejects. */
  close(): Promise<void> {
    return this.presences.close();
  }

  private pathOf(name: string): string {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidPathError('the name of a group must be a string, and not empty');
    }
    const absolute = name.startsWith('/') ? name : childPath(this.root, name);
    const problem = absolute === '/' ? 'the root cannot be a group' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`group: ${problem}`, { path: name });
    return absolute;
  }
}

/** @throws {PayloadError} */
function encoded(format: PayloadFormat, payload: unknown, path: string): Uint8Array {
  try {
    return bytesOf(format, payload);
  } catch (cause) {
    throw new PayloadError(path, cause);
  }
}

/** @throws {InvalidPathError} */
export function memberPath(directory: string, id: string): string {
  const isName = typeof id === 'string' && id !== '' && !id.includes('/');
  const path = isName ? childPath(directory, id) : '';
  const problem = isName ? pathProblem(path) : 'an id must be a name without a slash';
  if (problem !== null) throw new InvalidPathError(`join: ${problem}`, { path: id });
  return path;
}
