import { childPath } from '@aviary/foundation';
import { NoNodeError, type CallOptions, type ZooKeeper } from '@aviary/client';
import { foreignAmong, inOrder, type Discipline, type ForeignName } from '@aviary/coordination';

/** One who takes part for a role. */
export interface Participant {
  /** What it calls itself: ours its identity, Curator's the id that it was given. */
  readonly id: string;
  readonly nodePath: string;
  /** Its fencing token, now or once it leads. */
  readonly token: bigint;
  /** Since when it stands in the queue, by the servers' clock. */
  readonly since: Date;
  /** The session that it stands and falls with. */
  readonly sessionId: bigint;
}

/** Those who take part for a role, at one moment. */
export interface RoleQueue {
  /** The leader first, then the others in the order in which they will lead. */
  readonly participants: readonly Participant[];
  /** A contender of another recipe, which must not share the path; null: none. */
  readonly foreign: ForeignName | null;
}

/**
 * Reads who takes part for a role. It keeps what it read of each: what a participant says of itself
 * does not change, so each costs one read for as long as it stands there. A reading whose result
 * nobody wants any more saves the next one work all the same.
 */
export class QueueReader {
  private readonly zk: ZooKeeper;
  private readonly path: string;
  private readonly discipline: Discipline;
  private readonly known = new Map<string, Participant>();

  constructor(zk: ZooKeeper, path: string, discipline: Discipline) {
    this.zk = zk;
    this.path = path;
    this.discipline = discipline;
  }

  /**
   * @param children Null: there is no such node.
   * @param options Of each read. Default: it waits for a connection.
   * @throws what the client's reads throw.
   */
  async read(
    children: readonly string[] | null,
    options: CallOptions = { deadlineMs: Infinity },
  ): Promise<RoleQueue> {
    const names = children ?? [];
    const queue = inOrder(names, this.discipline);
    const read = await Promise.all(queue.map(({ name }) => this.participant(name, options)));
    const participants = read.filter((one) => one !== null);
    const paths = new Set(participants.map(({ nodePath }) => nodePath));
    for (const nodePath of this.known.keys()) {
      if (!paths.has(nodePath)) this.known.delete(nodePath);
    }
    return { participants, foreign: foreignAmong(names, this.discipline) };
  }

  /** null: it has gone meanwhile. */
  private async participant(name: string, options: CallOptions): Promise<Participant | null> {
    const nodePath = childPath(this.path, name);
    const known = this.known.get(nodePath);
    if (known !== undefined) return known;
    try {
      const { data, stat } = await this.zk.get(nodePath, options);
      const read = {
        id: data === null ? '' : data.toString(),
        nodePath,
        token: stat.czxid,
        since: new Date(Number(stat.ctime)),
        sessionId: stat.ephemeralOwner,
      };
      this.known.set(nodePath, read);
      return read;
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }
}
