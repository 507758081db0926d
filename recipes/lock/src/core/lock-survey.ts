import { childPath } from '@aviary/foundation';
import { NoAuthError, NoNodeError, type ZooKeeper } from '@aviary/client';
import {
  contenderOf,
  inOrder,
  readContenders,
  type ContenderView,
  type Marker,
} from '@aviary/coordination';
import { rulesOf, type LayoutRules } from './lock-layout.js';
import { deadlocksAmong, type Wait, type WaitGraph } from './wait-graph.js';

/** How many directories are listed at the same time. */
const LISTS_AT_ONCE = 200;

/** What kazoo appends to a semaphore's path for the lock under which permits are taken. */
const KAZOO_GUARD = '-__lock__';

/** A directory and the names in it. */
type Directories = ReadonlyMap<string, readonly string[]>;

/** All that could be seen in one walk. */
type Survey = Omit<WaitGraph, 'deadlocks'>;

/**
 * Who waits for whom at all locks and semaphores at and below `root`, whoever has made them: ours,
 * Curator's, kazoo's.
 *
 * A survey takes time, in which waits come and go. What looks like a deadlock is looked at again, and
 * reported if it still stands.
 *
 * @throws what the client's reads throw, except for nodes that go meanwhile and those below `root` that
 *   may not be read.
 */
export async function surveyWaits(zk: ZooKeeper, root: string): Promise<WaitGraph> {
  const survey = await surveyed(zk, root);
  const suspected = deadlocksAmong(survey.waits);
  if (suspected.length === 0) return { ...survey, deadlocks: [] };
  const again = new Set((await surveyed(zk, root)).waits.flatMap(edgesOf));
  const deadlocks = suspected.filter(({ steps }) =>
    steps.every(({ waiter, blocker }) => again.has(edge(waiter, blocker))),
  );
  return { ...survey, deadlocks };
}

function edgesOf({ waiter, blockers }: Wait): string[] {
  return blockers.map((blocker) => edge(waiter, blocker));
}

function edge(waiter: ContenderView, blocker: ContenderView): string {
  return `${waiter.nodePath} ${waiter.token} ${blocker.nodePath} ${blocker.token}`;
}

async function surveyed(zk: ZooKeeper, root: string): Promise<Survey> {
  const { directories, unread } = await directoriesBelow(zk, root);
  const waits: Wait[] = [];
  for (const [path, children] of directories) {
    try {
      for (const layout of ['curator', 'kazoo'] as const) {
        const rules = rulesOf(layout);
        if (rules === null) continue;
        waits.push(...(await waitsAt(zk, { path, children, directories }, rules)));
      }
    } catch (error) {
      if (!(error instanceof NoAuthError)) throw error;
      unread.push(path);
    }
  }
  return { waits, unread };
}

interface Place {
  readonly path: string;
  readonly children: readonly string[];
  readonly directories: Directories;
}

/** The waits in one directory: in its queue, and of the first of it if it guards permits. */
async function waitsAt(zk: ZooKeeper, place: Place, rules: LayoutRules): Promise<Wait[]> {
  const { path, children } = place;
  const queue = inOrder(children, rules);
  const guarded = queue.length === 0 ? null : permitsBehind(place, rules);
  if (queue.length < 2 && guarded === null) return [];
  const views = await readContenders(zk, path, queue);
  const waits = views.flatMap((waiter, at): Wait[] => {
    const blockers = rightBefore(views.slice(0, at), waiter.marker, rules);
    return blockers.length === 0 ? [] : [{ path, waiter, blockers, needs: 'all' }];
  });
  const [head] = views;
  if (guarded === null || head === undefined) return waits;
  const permits = await readContenders(zk, guarded.directory, guarded.names);
  // Curator's pending permit stands among those that it waits for; its session is the head's.
  const blockers = permits.filter(({ sessionId }) => sessionId !== 0n);
  if (blockers.length === 0) return waits;
  return [...waits, { path: guarded.path, waiter: head, blockers, needs: 'any' }];
}

/**
 * Those of the ones before whom it waits for at first hand: a reader for the last writer, a writer for
 * all readers since that one. They wait for the others themselves.
 */
function rightBefore(
  before: readonly ContenderView[],
  marker: Marker | null,
  rules: LayoutRules,
): readonly ContenderView[] {
  const writer = before.findLastIndex((one) => one.marker !== rules.read);
  const readers = marker === rules.read ? [] : before.slice(writer + 1);
  return readers.length > 0 || writer === -1 ? readers : before.slice(writer, writer + 1);
}

/** The permits of a semaphore. */
interface Guarded {
  /** The semaphore. */
  readonly path: string;
  readonly directory: string;
  readonly names: readonly { readonly name: string }[];
}

/** The permits that are taken under the lock at this place; null: it guards none. */
function permitsBehind(
  { path, directories }: Place,
  { layout, semaphore }: LayoutRules,
): Guarded | null {
  const suffix = layout === 'kazoo' ? KAZOO_GUARD : '/locks';
  if (!path.endsWith(suffix) || path.length === suffix.length) return null;
  const guarded = path.slice(0, -suffix.length);
  const places = semaphore(guarded);
  const children = directories.get(places.permits) ?? [];
  const names = places.named
    ? inOrder(children, { queue: ['lease-'] })
    : children.map((name) => ({ name }));
  return { path: guarded, directory: places.permits, names };
}

/** All nodes that are no contenders, level by level. */
async function directoriesBelow(
  zk: ZooKeeper,
  root: string,
): Promise<{ readonly directories: Directories; readonly unread: string[] }> {
  const directories = new Map<string, readonly string[]>();
  const unread: string[] = [];
  for (let level = [root]; level.length > 0;) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += LISTS_AT_ONCE) {
      const some = level.slice(at, at + LISTS_AT_ONCE);
      const listed = await Promise.all(some.map((path) => childrenOf(zk, path, path === root)));
      some.forEach((path, index) => {
        const children = listed[index] ?? null;
        if (children === null) unread.push(path);
        else {
          directories.set(path, children);
          const inner = children.filter((name) => contenderOf(name) === null);
          next.push(...inner.map((name) => childPath(path, name)));
        }
      });
    }
    level = next.filter((path) => path !== '/zookeeper');
  }
  return { directories, unread };
}

/** null: it may not be listed. */
async function childrenOf(
  zk: ZooKeeper,
  path: string,
  isRoot: boolean,
): Promise<readonly string[] | null> {
  try {
    return (await zk.children(path)).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    if (error instanceof NoAuthError && !isRoot) return null;
    throw error;
  }
}
