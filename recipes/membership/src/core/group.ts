import type { WaitOptions } from '@aviary/client';
import type { Observable } from 'rxjs';
import type { Member, MemberChange } from './member.js';
import type { Membership } from './membership.js';
import type { Roster, RosterView } from './roster.js';

/** What a process says when it joins. */
export interface JoinOptions {
  /** Its name in the group, which no other must have: no slash in it. Default: a random one. */
  readonly id?: string | undefined;
  /**
   * The member stays over the end of its session, until its process was not heard of for so long, in
   * milliseconds from 1,000 up; others see it go up to two minutes later (`znode.container.checkIntervalMs`
   * of the servers, twice). Its node is then a container with a child, as of Curator's `PersistentTtlNode`.
   * Every third of that time it is written to, of which all who look at the group are told. Unset: it goes
   * with its session.
   */
  readonly ttlMs?: number | undefined;
  /**
   * With `ttlMs` and `id`: who this process is, over restarts, such as the name of its pod. Started again
   * in time it is the same member still. No two processes must say the same at the same time. Default: a
   * random one, so that after a crash it waits until the member of before is gone.
   */
  readonly owner?: string | undefined;
}

/**
 * Those who are there for the same thing: one directory, one ephemeral node for each, as Curator's
 * `GroupMember` has them.
 *
 * Streams replay the latest value, skip states in between but never the newest, go on over broken connections
 * and new sessions, share one watch and one copy in this process, and complete when the client is closed.
 */
export class Group<P = unknown> {
  readonly name: string;
  /** Its directory. */
  readonly path: string;
  /** Who is there, and whether that is certain. */
  readonly view$: Observable<RosterView<Member<P>>>;
  /** Who is there. During a broken connection the list stays as it was. */
  readonly members$: Observable<readonly Member<P>[]>;
  /** Who joined, left or changed its payload; at first everybody, as `joined`. */
  readonly changes$: Observable<MemberChange<Member<P>>>;
  private readonly roster: Roster<Member<P>>;
  private readonly enter: (payload: P | undefined, options: JoinOptions) => Membership<P>;

  /** @internal Use `Groups.group`. */
  constructor(facts: {
    readonly name: string;
    readonly path: string;
    readonly roster: Roster<Member<P>>;
    readonly enter: (payload: P | undefined, options: JoinOptions) => Membership<P>;
  }) {
    const { name, path, roster, enter } = facts;
    this.name = name;
    this.path = path;
    this.roster = roster;
    this.enter = enter;
    this.view$ = roster.view$;
    this.members$ = roster.members$;
    this.changes$ = roster.changes$;
  }

  /**
   * Joins in the background, and stays until `leave()` or the end of the client: over broken connections,
   * ended sessions and deletions by others. Await `whenJoined()` of what it returns to be seen.
   *
   * @param payload What others are to know. Unset: the identity line of this process.
   * @throws {InvalidPathError} The id is no name. @throws {InvalidArgumentError} `ttlMs` or `owner` is none.
   * @throws {PayloadError} The payload cannot be written. @throws {RequestTooLargeError}
   * @throws {AlreadyPresentError} This process is in the group by that id.
   * @throws {MembershipsClosedError} The application is shutting down.
   */
  join(payload?: P, options: JoinOptions = {}): Membership<P> {
    return this.enter(payload, options);
  }

  /** Who is there, once. @throws as `CachedTree.load`: DeadlineExceededError, AbortedError, ... */
  members(options?: WaitOptions): Promise<readonly Member<P>[]> {
    return this.roster.load(options);
  }
}
