import { childPath } from '@aviary/foundation';
import { exclusive, sequenceDistance, type Discipline, type Marker } from '@aviary/coordination';

/**
 * Whose znodes a lock is made of: those who contend for it must agree. `curator`: Curator's, which
 * go-zookeeper shares for the mutex. `kazoo`: kazoo's.
 */
export type LockLayout = 'curator' | 'kazoo';

/** What one may want of a lock. A `mutex` and a read-write lock do not stand on one path. */
export type LockMode = 'mutex' | 'read' | 'write';

/** Where the parts of a semaphore stand. */
export interface SemaphorePlaces {
  /** The directory whose children are the permits that are out. */
  readonly permits: string;
  /** The lock under which permits are taken. */
  readonly guard: string;
  /** What a permit's node is called. */
  readonly name: string;
  readonly mode: 'ephemeral' | 'ephemeralSequential';
  /** Whether the name tells a permit from other nodes. */
  readonly named: boolean;
}

/** How the locks of one layout look. */
export interface LayoutRules {
  readonly layout: LockLayout;
  readonly disciplines: Readonly<Record<LockMode, Discipline>>;
  /** The markers under which the two kinds of a read-write lock stand. */
  readonly read: Marker;
  readonly write: Marker;
  /** Every marker of a contender for a mutex or a read-write lock. */
  readonly queue: readonly Marker[];
  /**
   * How directories are made. kazoo makes one once for each object and never again, so it must not
   * be removed behind its back as containers are.
   */
  readonly parents: 'container' | 'persistent';
  readonly semaphore: (path: string) => SemaphorePlaces;
}

/** Readers wait for writers, writers for everybody; both by number alone. */
function sharing(read: Marker, write: Marker): Readonly<Record<'read' | 'write', Discipline>> {
  const queue = [read, write];
  return {
    read: { marker: read, queue, waitsFor: [write] },
    write: { marker: write, queue, waitsFor: queue },
  };
}

const CURATOR: LayoutRules = {
  layout: 'curator',
  disciplines: { mutex: exclusive('lock-'), ...sharing('__READ__', '__WRIT__') },
  read: '__READ__',
  write: '__WRIT__',
  queue: ['lock-', '__READ__', '__WRIT__'],
  parents: 'container',
  semaphore: (path) => ({
    permits: childPath(path, 'leases'),
    guard: childPath(path, 'locks'),
    name: 'lease-',
    mode: 'ephemeralSequential',
    named: true,
  }),
};

/** kazoo's Lock is its WriteLock. */
const KAZOO_SHARING = sharing('__rlock__', '__lock__');
const KAZOO: LayoutRules = {
  layout: 'kazoo',
  disciplines: { mutex: KAZOO_SHARING.write, ...KAZOO_SHARING },
  read: '__rlock__',
  write: '__lock__',
  queue: ['__lock__', '__rlock__'],
  parents: 'persistent',
  semaphore: (path) => ({
    permits: path,
    guard: `${path}-__lock__`,
    name: 'permit',
    mode: 'ephemeral',
    named: false,
  }),
};

/** The rules of a layout; null: there is none of that name. */
export function rulesOf(layout: unknown): LayoutRules | null {
  if (layout === 'curator') return CURATOR;
  return layout === 'kazoo' ? KAZOO : null;
}

/** Of the markers that may stand together with `marker`: a mutex's, or a read-write lock's. */
export function familyOf(marker: Marker | null, rules: LayoutRules): readonly (Marker | null)[] {
  const { mutex, read } = rules.disciplines;
  return read.queue.some((one) => one === marker) ? read.queue : mutex.queue;
}

/** What a contender's name says of it. */
interface Ranked {
  readonly marker: Marker | null;
  readonly sequence: number;
}

/**
 * Tells whether a contender of this queue, which is in order, holds: nobody whom it waits for stands
 * before it.
 */
export function holds(
  queue: readonly Ranked[],
  rules: LayoutRules,
): (contender: Ranked) => boolean {
  const first = queue[0]?.sequence ?? 0;
  const writer = queue.find(({ marker }) => marker !== rules.read)?.sequence;
  return ({ marker, sequence }) => {
    if (marker !== rules.read) return sequence === first;
    return writer === undefined || sequenceDistance(writer, sequence) <= 0;
  };
}
