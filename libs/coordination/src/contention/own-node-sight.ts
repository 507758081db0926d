import type { CallOptions, SessionState, ZooKeeper } from '@aviary/client';

/**
 * A node of ours, watched over one connection: as long as {@link isUnbroken}, it was there at the
 * moment of the newest event that the connection brought, since a server tells of changes in their
 * order.
 */
export class OwnNodeSight {
  private readonly zk: ZooKeeper;
  /** Another state is another connection: what its server tells begins with a gap. */
  private readonly connection: SessionState;
  private isWatched = false;

  /** The read that sets the watch leaves in this turn. */
  constructor(zk: ZooKeeper, path: string, options: CallOptions) {
    this.zk = zk;
    this.connection = zk.state;
    void this.watch(path, options);
  }

  /** Whether the node has been seen since, and nothing has happened to it or to the connection. */
  get isUnbroken(): boolean {
    return this.isWatched && this.zk.state === this.connection;
  }

  private async watch(path: string, options: CallOptions): Promise<void> {
    try {
      const { watch } = await this.zk.getAndWatch(path, options);
      this.isWatched = true;
      await watch.fired;
    } catch {
      // Whoever asks for the node's place in the queue meets the same error there.
    }
    this.isWatched = false;
  }
}
