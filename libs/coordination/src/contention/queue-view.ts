import { childPath } from '@aviary/foundation';
import { NoNodeError, type ZooKeeper } from '@aviary/client';
import type { Marker } from './contender-name.js';
import { foreignAmong, inOrder, type Discipline, type ForeignName } from './standing.js';

/** One contender, for people who want to know who it is. */
export interface ContenderView {
  /** Its node. */
  readonly nodePath: string;
  /** The part of its name that says what it wants; null: its name says nothing. */
  readonly marker: Marker | null;
  /** Its number in the queue; 0 if its name has none. */
  readonly sequence: number;
  /** What it wrote about itself: ours a line, Curator's an address. */
  readonly identity: string;
  /** Its fencing token, now or once it holds. */
  readonly token: bigint;
  /** Since when it stands in the queue, by the servers' clock. */
  readonly since: Date;
  /** The session that it stands and falls with. */
  readonly sessionId: bigint;
}

/** A queue at one moment. */
export interface QueueView {
  /** In the order of their numbers. One that has just lost what it held may still stand here. */
  readonly contenders: readonly ContenderView[];
  /** A contender of another recipe, which must not share the path; null: none. */
  readonly foreign: ForeignName | null;
  /** All names in the directory. */
  readonly children: readonly string[];
}

/** A node that is to be shown. */
export interface NamedContender {
  readonly name: string;
  readonly marker?: Marker | null;
  readonly sequence?: number;
}

/** How many contenders are asked about themselves at the same time. */
const READS_AT_ONCE = 200;

/**
 * Who stands in the queue at `path`, as the servers know it; nobody if there is no such node.
 *
 * @throws what the client's reads throw, except for nodes that go meanwhile.
 */
export async function readQueue(
  zk: ZooKeeper,
  path: string,
  discipline: Pick<Discipline, 'queue'>,
): Promise<QueueView> {
  const children = await childrenOf(zk, path);
  const contenders = await readContenders(zk, path, inOrder(children, discipline));
  return { contenders, foreign: foreignAmong(children, discipline), children };
}

/** What these nodes below `path` say of their makers; those that are gone are left out. */
export async function readContenders(
  zk: ZooKeeper,
  path: string,
  contenders: readonly NamedContender[],
): Promise<ContenderView[]> {
  const views: ContenderView[] = [];
  for (let at = 0; at < contenders.length; at += READS_AT_ONCE) {
    const some = contenders.slice(at, at + READS_AT_ONCE);
    const read = await Promise.all(some.map((contender) => viewOf(zk, path, contender)));
    views.push(...read.filter((view) => view !== null));
  }
  return views;
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return (await zk.children(path)).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

async function viewOf(
  zk: ZooKeeper,
  path: string,
  { name, marker = null, sequence = 0 }: NamedContender,
): Promise<ContenderView | null> {
  const nodePath = childPath(path, name);
  try {
    const { data, stat } = await zk.get(nodePath);
    return {
      nodePath,
      marker,
      sequence,
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
