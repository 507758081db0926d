import type { Zxid } from '@aviary/foundation';
import {
  StorageError,
  type DataDirectory,
  type Recovered,
  type RecoveryTarget,
  type SnapshotBodySink,
  type SnapshotSections,
} from '@aviary/storage';
import { TreeSnapshot, standardAuthSchemes, type DataTreeOptions } from '@aviary/znodes';
import type { ServerOptions } from '../options.js';
import type { ServerPorts } from '../server-ports.js';
import { Snapshotter } from '../snapshotter.js';
import { TreeRecovery, type RecoveredState } from '../tree-recovery.js';
import { History, type HistoryLimits } from './history.js';
import type { MemberState } from './member-state.js';
import { transactionZxid } from './transaction-zxid.js';

const PIECE_BYTES = 128 * 1024;
const HISTORY_LIMITS: HistoryLimits = { entriesMax: 1000, bytesMax: 32 << 20 };

/** A snapshot that a leader has sent came to its end, and yet is none; nothing was changed. */
export class SnapshotRefusedError extends Error {}

/** A snapshot that is coming from a leader. */
export interface SnapshotIntake {
  readonly sink: SnapshotBodySink;
  readonly recovery: TreeRecovery;
}

/** Fills a tree from the disk, and remembers the last transactions on the way. */
class RememberingRecovery implements RecoveryTarget {
  readonly history = new History(HISTORY_LIMITS);

  constructor(private readonly tree: TreeRecovery) {}

  beginFresh(): void {
    this.history.clear();
    this.tree.beginFresh();
  }

  beginSnapshot(): SnapshotBodySink {
    this.history.clear();
    return this.tree.beginSnapshot();
  }

  endSnapshot(zxid: Zxid, sections: SnapshotSections): void {
    this.tree.endSnapshot(zxid, sections);
  }

  apply(bytes: Uint8Array, start: number, end: number): void {
    this.tree.apply(bytes, start, end);
    this.history.append(transactionZxid(bytes, start), bytes, start, end);
    this.history.settle(Infinity);
  }
}

/** The disk of a member: what it holds becomes its state, and what a leader sends replaces it. */
export class MemberStorage {
  private snapshotter: Snapshotter | null = null;
  private isTreeLent = false;
  private truncated: MemberState | null = null;
  private readonly treeOptions: DataTreeOptions;

  constructor(
    private readonly options: ServerOptions,
    private readonly ports: ServerPorts,
    readonly directory: DataDirectory,
  ) {
    this.treeOptions = {
      seed: ports.random.uint32(),
      schemes: standardAuthSchemes(options.superDigest),
    };
  }

  /**
   * Reads everything from the disk.
   *
   * @throws {StorageError} What is there cannot be trusted; nothing was changed.
   */
  async load(): Promise<MemberState> {
    await this.snapshotter?.close();
    const recovery = this.newRecovery();
    const remembering = new RememberingRecovery(recovery);
    const recovered = await this.directory.recover(remembering, this.ports.log);
    const loaded = this.stateOf(recovery, remembering.history, recovered);
    // ZooKeeper takes a log without a snapshot for a lost snapshot, and so does the next start.
    if (recovered.snapshotZxid === null) await this.writeSnapshot();
    return loaded;
  }

  /** Where a snapshot that a leader sends goes. */
  openIntake(): SnapshotIntake {
    const recovery = this.newRecovery();
    return { recovery, sink: recovery.beginSnapshot() };
  }

  /**
   * Makes a snapshot that has come the state of this server, in memory and on the disk.
   *
   * @throws {SnapshotRefusedError} It lacks something that it names; nothing was changed.
   * @throws {DiskError} The process must end.
   */
  async install({ recovery }: SnapshotIntake, zxid: Zxid): Promise<MemberState> {
    await this.snapshotter?.close();
    recovery.endSnapshot(zxid, { digest: null, lastZxid: null });
    const state = finished(recovery);
    if (!this.options.digestEnabled) state.tree.isDigestKnown = false;
    const installed = this.use({
      ...state,
      history: new History(HISTORY_LIMITS),
      snapshotZxid: zxid,
      lastLogged: zxid,
      lastApplied: zxid,
    });
    const snapshot = new TreeSnapshot(state.tree, PIECE_BYTES);
    // The leader may have applied more while it sent: the digest is not that of one moment.
    await this.directory.installSnapshot({
      zxid,
      digest: null,
      next: () => snapshot.next(),
      close: () => snapshot.close(),
    });
    return installed;
  }

  /**
   * Cuts the history behind `zxid`; what is left is the state of {@link reload}.
   *
   * @throws {TruncationError} There is no way back to `zxid`; nothing was changed.
   */
  async truncate(zxid: Zxid): Promise<void> {
    await this.snapshotter?.close();
    const recovery = this.newRecovery();
    const remembering = new RememberingRecovery(recovery);
    const recovered = await this.directory.truncate(zxid, remembering, this.ports.log);
    this.truncated = this.stateOf(recovery, remembering.history, recovered);
  }

  /** The state after {@link truncate}. */
  reload(): Promise<MemberState> {
    const { truncated } = this;
    this.truncated = null;
    return truncated === null ? this.load() : Promise.resolve(truncated);
  }

  /** Writes a snapshot and waits for it: the log alone would look like a lost snapshot. */
  async writeSnapshot(): Promise<void> {
    await this.snapshotter?.writeNow();
  }

  /** Begins a snapshot, unless somebody else walks through the tree. */
  beginSnapshot(): boolean {
    const { snapshotter } = this;
    if (snapshotter === null || snapshotter.isRunning || this.isTreeLent) return false;
    snapshotter.begin();
    return true;
  }

  /** Lets the caller walk through the tree; false: somebody else does. Give it back. */
  lendTree(): boolean {
    if (this.isTreeLent || this.snapshotter?.isRunning === true) return false;
    this.isTreeLent = true;
    return true;
  }

  takeBackTree(): void {
    this.isTreeLent = false;
  }

  async close(): Promise<void> {
    await this.snapshotter?.close();
  }

  private stateOf(recovery: TreeRecovery, history: History, recovered: Recovered): MemberState {
    const state = recovery.finish();
    if (!this.options.digestEnabled) state.tree.isDigestKnown = false;
    const { lastZxid, snapshotZxid } = recovered;
    return this.use({
      ...state,
      history,
      snapshotZxid: snapshotZxid ?? 0,
      lastLogged: lastZxid,
      lastApplied: lastZxid,
    });
  }

  private newRecovery(): TreeRecovery {
    const { dataDir, extendedTypesEnabled } = this.options;
    return new TreeRecovery(this.treeOptions, extendedTypesEnabled, dataDir);
  }

  private use(state: MemberState): MemberState {
    const { digestEnabled, purgeIntervalMs, snapRetainCount } = this.options;
    const retain = purgeIntervalMs === null ? snapRetainCount : null;
    this.isTreeLent = false;
    this.snapshotter = new Snapshotter(
      state.tree,
      this.directory,
      digestEnabled,
      retain,
      this.ports.log,
    );
    return state;
  }

  /** Removes what recovery will not need. */
  purge(): Promise<void> {
    return this.snapshotter?.purge(this.options.snapRetainCount) ?? Promise.resolve();
  }
}

function finished(recovery: TreeRecovery): RecoveredState {
  try {
    return recovery.finish();
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const problem = 'nodes in it name access control lists that it does not have';
    throw new SnapshotRefusedError(problem, { cause });
  }
}
