import type { Log } from '@aviary/foundation';
import { formatZxid } from '@aviary/foundation';
import type { DataDirectory, SnapshotSource } from '@aviary/storage';
import { TreeSnapshot, type DataTree } from '@aviary/znodes';

/** Bytes made in one go: a fraction of a millisecond of work between two requests. */
const PIECE_BYTES = 128 * 1024;

/** Writes snapshots of a tree that goes on changing, one at a time, and purges what they replace. */
export class Snapshotter {
  private running: Promise<void> | null = null;
  private current: TreeSnapshot | null = null;
  private purging: Promise<void> = Promise.resolve();
  private isClosed = false;

  /** @param retain Snapshots to keep when one is written; null: nothing is purged here. */
  constructor(
    private readonly tree: DataTree,
    private readonly directory: DataDirectory,
    private readonly digestEnabled: boolean,
    private readonly retain: number | null,
    private readonly log: Log,
  ) {}

  get isRunning(): boolean {
    return this.running !== null;
  }

  /** Begins a snapshot of the tree as it is now, unless one is being written. */
  begin(): void {
    if (this.running !== null || this.isClosed) return;
    const running = this.write().finally(() => {
      this.running = null;
      this.current = null;
    });
    this.running = running;
  }

  /** Writes a snapshot of the tree as it is now, and fails if that fails. */
  async writeNow(): Promise<void> {
    await this.directory.writeSnapshot(this.open());
    this.current = null;
  }

  /** Gives up the snapshot under way and waits until nothing touches the disk any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.current?.close();
    await this.running;
    await this.purging;
  }

  private open(): SnapshotSource {
    const snapshot = new TreeSnapshot(this.tree, PIECE_BYTES);
    this.current = snapshot;
    return {
      zxid: snapshot.zxid,
      digest: this.digestEnabled ? snapshot.digest : null,
      next: () => snapshot.next(),
      close: () => snapshot.close(),
    };
  }

  private async write(): Promise<void> {
    const source = this.open();
    const name = `snapshot.${formatZxid(source.zxid)}`;
    try {
      await this.directory.writeSnapshot(source);
    } catch (error) {
      // The logs hold everything: a snapshot that fails costs time at the next start, and no data.
      if (!this.isClosed) {
        this.log.warn(`${name} could not be written, the next one is tried later: ${text(error)}`);
      }
      return;
    }
    if (this.retain !== null) await this.purge(this.retain);
  }

  /** Removes what recovery will not need, unless this is closed. */
  purge(retain: number): Promise<void> {
    this.purging = this.purging.then(() => (this.isClosed ? undefined : this.purgeNow(retain)));
    return this.purging;
  }

  private async purgeNow(retain: number): Promise<void> {
    try {
      const removed = await this.directory.purge(retain);
      if (removed.length > 0) this.log.info(`Purged ${removed.join(', ')}.`);
    } catch (error) {
      this.log.warn(`Old logs and snapshots could not be purged: ${text(error)}`);
    }
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
