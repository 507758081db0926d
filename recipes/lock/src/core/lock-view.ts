import { nodeName } from '@aviary/foundation';
import {
  readContenders,
  readQueue,
  recipeOf,
  type ContenderView,
  type ForeignName,
} from '@aviary/coordination';
import type { ZooKeeper } from '@aviary/client';
import { familyOf, holds, type LayoutRules } from './lock-layout.js';

/** A lock at one moment: who holds and who waits. */
export interface LockView {
  readonly path: string;
  /** What kind of lock its contenders show it to be; null: nobody is there. */
  readonly kind: 'mutex' | 'readWrite' | 'semaphore' | null;
  /** The first of {@link holders}; null: the lock is free. */
  readonly holder: ContenderView | null;
  /**
   * Who holds: one contender, or readers that stand before every writer, or permits of a semaphore.
   * One that has just lost it may still stand here.
   */
  readonly holders: readonly ContenderView[];
  /** The others, in the order in which they will be served. */
  readonly queue: readonly ContenderView[];
  /** A contender of another recipe, which must not share the path; null: none. */
  readonly foreign: ForeignName | null;
}

/** @throws what the client's reads throw, except for nodes that go meanwhile. */
export async function inspectLock(
  zk: ZooKeeper,
  path: string,
  rules: LayoutRules,
): Promise<LockView> {
  const { contenders, foreign, children } = await readQueue(zk, path, rules);
  const [first] = contenders;
  if (first === undefined) {
    const { permits, queue } = await readSemaphore(zk, path, rules, children);
    const kind = permits.length + queue.length > 0 ? 'semaphore' : null;
    return { path, kind, holder: permits[0] ?? null, holders: permits, queue, foreign };
  }
  const family = familyOf(first.marker, rules);
  const [own, others] = split(contenders, ({ marker }) => family.includes(marker));
  const [holders, queue] = split(own, holds(own, rules));
  const kind = own.some(({ marker }) => marker !== rules.disciplines.mutex.marker)
    ? 'readWrite'
    : 'mutex';
  return {
    path,
    kind,
    holder: holders[0] ?? null,
    holders,
    queue,
    foreign: foreign ?? foreignOf(others[0]),
  };
}

/** The permits that are out, and who waits for one. */
export interface SemaphoreView {
  readonly permits: readonly ContenderView[];
  readonly queue: readonly ContenderView[];
}

/** @param children The names in the directory of the semaphore. */
export async function readSemaphore(
  zk: ZooKeeper,
  path: string,
  rules: LayoutRules,
  children: readonly string[],
): Promise<SemaphoreView> {
  if (children.length === 0) return { permits: [], queue: [] };
  const { permits, guard, named } = rules.semaphore(path);
  if (named) {
    const views = await Promise.all([
      readQueue(zk, permits, { queue: ['lease-'] }),
      readQueue(zk, guard, rules.disciplines.mutex),
    ]);
    return { permits: views[0].contenders, queue: views[1].contenders };
  }
  const all = await readContenders(
    zk,
    permits,
    children.map((name) => ({ name })),
  );
  const ephemerals = all.filter(({ sessionId }) => sessionId !== 0n);
  const { contenders } = await readQueue(zk, guard, rules.disciplines.mutex);
  return { permits: ephemerals, queue: contenders };
}

function foreignOf(contender: ContenderView | undefined): ForeignName | null {
  if (contender?.marker === undefined || contender.marker === null) return null;
  return { name: nodeName(contender.nodePath), recipe: recipeOf(contender.marker) };
}

function split<T>(all: readonly T[], isWanted: (one: T) => boolean): [T[], T[]] {
  const wanted = new Set(all.filter(isWanted));
  return [[...wanted], all.filter((one) => !wanted.has(one))];
}
