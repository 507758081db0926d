import {
  EMPTY,
  Observable,
  ReplaySubject,
  combineLatest,
  defer,
  distinctUntilChanged,
  endWith,
  map,
  retry,
  share,
  switchMap,
  takeWhile,
} from 'rxjs';
import { ClosedError, type ZooKeeper } from '@aviary/client';
import type { Discipline, ForeignName } from '@aviary/coordination';
import type { Clock } from '@aviary/foundation';
import type { LeaderTerm } from './leader-term.js';
import { QueueReader, type Participant, type RoleQueue } from './role-queue.js';

/** How long it takes until a queue is read again that the servers refused to show. */
const RETRY_MS = 1_000;
/** What a status is made of. */
const KEYS = ['seen', 'term', 'me'] as const;

/** A role at one moment, as its servers and this process know it. */
export interface LeaderStatus {
  readonly role: string;
  /** Who stands first; null: nobody takes part. */
  readonly leader: Participant | null;
  /** This process in the queue; null: it does not take part, or not yet. */
  readonly me: Participant | null;
  /** The term of this process; null: it does not lead. */
  readonly term: LeaderTerm | null;
  /** The others, in the order in which they will lead. */
  readonly queue: readonly Participant[];
  /** A contender of another recipe, beside which nobody of ours takes part; null: none. */
  readonly foreign: ForeignName | null;
}

/** What the status of a role is made of. */
export interface StatusSources {
  readonly zk: ZooKeeper;
  readonly role: string;
  readonly path: string;
  readonly discipline: Discipline;
  readonly term$: Observable<LeaderTerm | null>;
  /** Our node in the queue, now and after each change; null: there is none. */
  readonly ownNode$: Observable<string | null>;
}

/**
 * Who leads a role and who waits: now, and after every change. It also serves those who do not take
 * part: it makes no node.
 *
 * Shared: all subscribers of one role use one watch, which goes with the last of them. Every observer
 * hears of everyone who comes and goes. Intermediate states may be skipped, the newest never is;
 * without a connection the last one stands. Completes when the client is closed; never errors.
 */
export function statusOf(sources: StatusSources): Observable<LeaderStatus> {
  const { role, term$, ownNode$ } = sources;
  // Its end is that of the client, and of all: neither terms nor nodes end with it.
  const queue$ = defer(() => queueOf(sources)).pipe(endWith(null));
  return combineLatest([queue$, term$, ownNode$]).pipe(
    takeWhile((facts): facts is [RoleQueue, LeaderTerm | null, string | null] => facts[0] !== null),
    map(([seen, term, own]) => {
      const me = seen.participants.find(({ nodePath }) => nodePath === own) ?? null;
      return { seen, term, me };
    }),
    distinctUntilChanged((one, other) => KEYS.every((key) => one[key] === other[key])),
    map(({ seen: { participants, foreign }, term, me }) => {
      const [leader = null, ...queue] = participants;
      return { role, leader, me, term, queue, foreign };
    }),
    share({ connector: () => new ReplaySubject<LeaderStatus>(1), resetOnRefCountZero: true }),
  );
}

/** The queue after every change of its names. */
function queueOf({ zk, path, discipline }: StatusSources): Observable<RoleQueue> {
  const reader = new QueueReader(zk, path, discipline);
  return zk.watchChildren(path).pipe(
    switchMap((view) => reader.read(view === null ? null : view.children)),
    retry({ delay: (error) => (error instanceof ClosedError ? EMPTY : after(zk.clock, RETRY_MS)) }),
  );
}

function after(clock: Clock, delayMs: number): Observable<void> {
  return new Observable((subscriber) => {
    const timer = clock.setTimer(delayMs, () => subscriber.next());
    return () => timer.cancel();
  });
}
