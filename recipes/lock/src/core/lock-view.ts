import { childPath } from '@aviary/foundation';
import { NoNodeError, type ZooKeeper } from '@aviary/client';
import { foreignAmong, inOrder, type ForeignName } from './contender-queue.js';

/** One contender, for people who want to know who it is. */
export interface ContenderView {
  /** Its node. */
  readonly nodePath: string;
  /** What it wrote about itself: ours `service instance host pid`, Curator's an address. */
  readonly identity: string;
  /** Its fencing token, now or once it holds. */
  readonly token: bigint;
  /** Since when it stands in the queue, by the servers' clock. */
  readonly since: Date;
  /** The session that it stands and falls with. */
  readonly sessionId: bigint;
}

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

/** How many contenders are asked about themselves at the same time. */
const READS_AT_ONCE = 200;

/** @throws what the client's reads throw, except for nodes that go meanwhile. */
export async function inspectLock(zk: ZooKeeper, path: string): Promise<LockView> {
  const children = await childrenOf(zk, path);
  const names = inOrder(children).map(({ name }) => name);
  const views: ContenderView[] = [];
  for (let at = 0; at < names.length; at += READS_AT_ONCE) {
    const some = names.slice(at, at + READS_AT_ONCE).map((name) => childPath(path, name));
    const read = await Promise.all(some.map((nodePath) => contenderAt(zk, nodePath)));
    views.push(...read.filter((view) => view !== null));
  }
  const [holder = null, ...queue] = views;
  return { path, holder, queue, foreign: foreignAmong(children) };
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return (await zk.children(path)).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

async function contenderAt(zk: ZooKeeper, nodePath: string): Promise<ContenderView | null> {
  try {
    const { data, stat } = await zk.get(nodePath);
    return {
      nodePath,
      identity: data === null ? '' : data.toString(),
      token: stat.czxid,
      since: new Date(Number(stat.ctime)),
      sessionId: stat.ephemeralOwner,
    };
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}
