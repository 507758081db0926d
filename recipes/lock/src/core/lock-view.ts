import {
  readQueue,
  type ContenderView,
  type Discipline,
  type ForeignName,
} from '@aviary/coordination';
import type { ZooKeeper } from '@aviary/client';

/** A lock at one moment: who holds and who waits. */
export interface LockView {
  readonly path: string;
  /** The first contender; null: the lock is free. A holder that has just lost it may still stand here. */
  readonly holder: ContenderView | null;
  /** The others, in the order in which they will be served. */
  readonly queue: readonly ContenderView[];
  /** A contender of another recipe, which must not share the path; null: none. */
  readonly foreign: ForeignName | null;
}

/** @throws what the client's reads throw, except for nodes that go meanwhile. */
export async function inspectLock(
  zk: ZooKeeper,
  path: string,
  discipline: Discipline,
): Promise<LockView> {
  const { contenders, foreign } = await readQueue(zk, path, discipline);
  const [holder = null, ...queue] = contenders;
  return { path, holder, queue, foreign };
}
