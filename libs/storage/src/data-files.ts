import type { Clock, Disk, Zxid } from '@aviary/foundation';
import { DurableMarkFile } from './durable-mark.js';
import { joinPath, logFiles, snapshotFiles, type NamedFile } from './file-names.js';
import { HistoryOriginFile } from './history-origin.js';
import { MemberNoteFile } from './member-note.js';
import { PendingChangeFile } from './pending-change.js';
import type { RecoverySource } from './recovery-target.js';
import { RejoinMark } from './rejoin-mark.js';

/** The files of a server: where its history is, and what is noted beside it. */
export class DataFiles {
  readonly mark: DurableMarkFile;
  readonly origin: HistoryOriginFile;
  readonly pending: PendingChangeFile;
  readonly rejoin: RejoinMark;
  readonly member: MemberNoteFile;

  constructor(
    readonly disk: Disk,
    clock: Clock,
    readonly snapshotDirectory: string,
    readonly logDirectory: string,
  ) {
    this.mark = new DurableMarkFile(disk, logDirectory, clock);
    this.origin = new HistoryOriginFile(disk, snapshotDirectory);
    this.pending = new PendingChangeFile(disk, snapshotDirectory);
    this.rejoin = new RejoinMark(disk, snapshotDirectory);
    this.member = new MemberNoteFile(disk, snapshotDirectory);
  }

  /** Both directories, or the one that is both. */
  get directories(): readonly string[] {
    const { snapshotDirectory, logDirectory } = this;
    return snapshotDirectory === logDirectory
      ? [snapshotDirectory]
      : [snapshotDirectory, logDirectory];
  }

  /** All snapshots, oldest first. */
  async snapshots(): Promise<NamedFile[]> {
    return snapshotFiles(await this.disk.list(this.snapshotDirectory));
  }

  /** All logs, oldest first. */
  async logs(): Promise<NamedFile[]> {
    return logFiles(await this.disk.list(this.logDirectory));
  }

  /** The greatest zxid in the name of a snapshot or a log; 0: there is none. */
  async newestZxid(): Promise<Zxid> {
    const snapshot = (await this.snapshots()).at(-1);
    const log = (await this.logs()).at(-1);
    return Math.max(snapshot?.zxid ?? 0, log?.zxid ?? 0);
  }

  /**
   * What recovery goes by.
   *
   * @throws {StorageError} The files around the history are damaged, or what they name is missing.
   */
  async source(): Promise<RecoverySource> {
    const origin = await this.origin.read();
    const names = { snapshots: await this.snapshots(), logs: await this.logs() };
    return {
      snapshotDirectory: this.snapshotDirectory,
      logDirectory: this.logDirectory,
      ...this.origin.connected(origin, names),
      mark: await this.mark.read(),
    };
  }

  /** Removes the snapshots that `isDoomed` picks; resolves when they are gone for good. */
  async removeSnapshots(isDoomed: (snapshot: NamedFile) => boolean): Promise<void> {
    const doomed = (await this.snapshots()).filter(isDoomed);
    if (doomed.length === 0) return;
    for (const { name } of doomed) await this.disk.remove(joinPath(this.snapshotDirectory, name));
    await this.disk.syncDirectory(this.snapshotDirectory);
  }
}
