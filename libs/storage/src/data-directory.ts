import {
  DiskError,
  assert,
  isMissing,
  type Clock,
  type Disk,
  type Log,
  type Zxid,
} from '@aviary/foundation';
import { DataFiles } from './data-files.js';
import { EpochFiles, readAcceptedEpoch } from './epoch-files.js';
import { StorageError } from './errors.js';
import {
  UNFINISHED_PREFIX,
  VERSION_DIRECTORY,
  joinPath,
  logFiles,
  snapshotFiles,
} from './file-names.js';
import { HistoryReader } from './history-reader.js';
import { inspectHistory, type HistorySection } from './history-section.js';
import { finishInstallation, install } from './installation.js';
import type { MemberNote } from './member-note.js';
import { purge } from './purge.js';
import { recover, type Recovered } from './recovery.js';
import type { RecoveryTarget } from './recovery-target.js';
import { finishSettingAside, setAside } from './setting-aside.js';
import { looksWhole } from './snapshot-reader.js';
import { writeSnapshot, type SnapshotSource } from './snapshot-writer.js';
import { TransactionLog, type LogListener, type TransactionLogOptions } from './transaction-log.js';
import { finishTruncation, truncate } from './truncation.js';

/** Where a server keeps its data. */
export interface DataDirectoryOptions {
  readonly dataDir: string;
  /** Default: `dataDir`. */
  readonly dataLogDir?: string;
}

/**
 * The directories `version-2` below `dataDir` (snapshots) and `dataLogDir` (logs), in ZooKeeper's
 * layout: either server can go on with what the other left.
 */
export class DataDirectory {
  readonly snapshotDirectory: string;
  readonly logDirectory: string;
  private readonly files: DataFiles;
  /** The log that was opened last. */
  private log: TransactionLog | null = null;
  private logMemory: readonly Uint8Array[] | null = null;

  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    private readonly options: DataDirectoryOptions,
  ) {
    this.snapshotDirectory = joinPath(options.dataDir, VERSION_DIRECTORY);
    this.logDirectory = joinPath(options.dataLogDir ?? options.dataDir, VERSION_DIRECTORY);
    this.files = new DataFiles(disk, clock, this.snapshotDirectory, this.logDirectory);
  }

  /**
   * Creates the directories if need be and recovers what is in them into `target`. Not while a log
   * is open.
   *
   * @throws {StorageError} What is there cannot be trusted; nothing was changed.
   */
  async recover(target: RecoveryTarget, log: Log): Promise<Recovered> {
    this.assertNoLog();
    const { disk, files } = this;
    const { directories } = files;
    for (const directory of directories) await this.createDirectory(directory);
    // What is about to be read and relied on must be found again, also by its name.
    for (const directory of directories) await disk.syncDirectory(directory);
    await this.finishPending(log);
    await this.refuseMixture();
    const recovered = await recover(disk, await files.source(), target, log);
    for (const directory of directories) await this.clearUnfinished(directory);
    return recovered;
  }

  /**
   * Cuts the history behind the transaction `zxid`, which a leader does not have, and brings the
   * state there into `target`; after {@link recover}, and not while a log is open. May be repeated.
   * `zxid` may also be the start of an epoch whose first transaction was logged here: then
   * `lastZxid` of the result is the transaction before that.
   *
   * @throws {TruncationError} There is no way back to `zxid`: a snapshot of the leader is needed.
   * Nothing was changed, but what `target` has is of no use.
   * @throws {DiskError} The process must end; {@link recover} of the next finds all of the history, or
   * what was to stay.
   */
  async truncate(zxid: Zxid, target: RecoveryTarget, log: Log): Promise<Recovered> {
    this.assertNoLog();
    return truncate(this.files, zxid, target, log);
  }

  /** Whose data this is, as far as it was noted; also before {@link recover}. null: nobody's yet. */
  readMemberNote(): Promise<MemberNote | null> {
    return this.files.member.read();
  }

  /** Notes whose data this is, durably; after {@link recover}. */
  writeMemberNote(note: MemberNote): Promise<void> {
    return this.files.member.write(note);
  }

  /**
   * Reads the epochs of a member of an ensemble; after {@link recover}, which gave `lastZxid`.
   *
   * @throws {StorageError} They cannot be; nothing was changed.
   */
  openEpochs(lastZxid: Zxid, log: Log): Promise<EpochFiles> {
    return EpochFiles.open(this.disk, this.snapshotDirectory, lastZxid, log);
  }

  /**
   * The last epoch that this server has agreed to, also where nothing else can be read; null: no file
   * says so.
   *
   * @throws {StorageError} The file is damaged.
   */
  acceptedEpoch(): Promise<number | null> {
    return readAcceptedEpoch(this.disk, this.snapshotDirectory);
  }

  /** Opens the log for what comes now; after {@link recover}, and when none is open. */
  async openLog(options: TransactionLogOptions, listener: LogListener): Promise<TransactionLog> {
    this.assertNoLog();
    await this.files.mark.open();
    this.logMemory ??= TransactionLog.allocate(this.disk);
    this.log = new TransactionLog(
      this.disk,
      this.logDirectory,
      options,
      this.files.mark,
      this.clock,
      listener,
      this.logMemory,
    );
    return this.log;
  }

  /** Writes a snapshot; returns its size in bytes. @throws {DiskError} Nothing is lost. */
  writeSnapshot(source: SnapshotSource): Promise<number> {
    return writeSnapshot(this.disk, this.snapshotDirectory, source);
  }

  /**
   * Writes a snapshot that a leader has sent and makes the history on this disk begin with it,
   * whatever was there: after {@link recover}, and not while a log is open. Resolves when it is
   * durable; the log goes on behind it.
   *
   * The state of a leader may hold transactions behind `source.zxid`: then `digest` is null.
   *
   * @returns Its size in bytes.
   * @throws {DiskError} The process must end; {@link recover} of the next finds the old history or
   * the snapshot.
   */
  async installSnapshot(source: SnapshotSource): Promise<number> {
    this.assertNoLog();
    return install(this.files, source);
  }

  /**
   * Puts everything that this server has of the history into directories `damaged-<n>` beside it,
   * where it stays for an operator, so that the next {@link recover} begins with nothing. For a
   * member of an ensemble whose recovery failed with what {@link isRepairable} says is repairable;
   * from then on it {@link isRejoining}. Which leader it promised to follow it still knows.
   *
   * @returns The directories; none, if there was nothing.
   * @throws {DiskError} The process must end; {@link recover} of the next goes on where this ended.
   */
  async setAside(): Promise<string[]> {
    this.assertNoLog();
    return setAside(this.files);
  }

  /**
   * Whether this member may know less than it has acknowledged, and so must neither vote nor lead.
   * Also after restarts, until {@link endRejoin}.
   */
  isRejoining(): Promise<boolean> {
    return this.files.rejoin.isSet();
  }

  /** Notes that this member has lost what it had, durably: {@link isRejoining}. */
  beginRejoin(): Promise<void> {
    return this.files.rejoin.begin();
  }

  /**
   * Ends it: the history of a leader that was elected without this member is on its disk, durably,
   * and so is the epoch of that leader.
   */
  endRejoin(): Promise<void> {
    return this.files.rejoin.end();
  }

  /**
   * Reads logged transactions behind `after`, also while the log is written and purged; not while
   * history is cut or replaced. Close it.
   */
  readHistory(after: Zxid): HistoryReader {
    return new HistoryReader(this.files, after, () => this.log?.durableEnd ?? null);
  }

  /**
   * Looks at the logged transactions behind `after` up to `through`.
   *
   * @param bytesMax Looks no further once they take more than this.
   * @throws {DiskError} A file cannot be read.
   * @throws {StorageError} A file is no log.
   */
  async inspectHistory(after: Zxid, through: Zxid, bytesMax = Infinity): Promise<HistorySection> {
    const reader = this.readHistory(after);
    try {
      return await inspectHistory(reader, through, bytesMax);
    } finally {
      await reader.close();
    }
  }

  /** Size of the newest snapshot that looks whole; null: there is none. */
  async newestSnapshotBytes(): Promise<number | null> {
    for (const { name } of (await this.files.snapshots()).reverse()) {
      const path = joinPath(this.snapshotDirectory, name);
      if (await looksWhole(this.disk, path)) return this.fileBytes(path);
    }
    return null;
  }

  /** Removes what recovery will not need; returns the names. */
  purge(keep: number): Promise<string[]> {
    return purge(this.disk, this.snapshotDirectory, this.logDirectory, keep);
  }

  /** Bytes of all snapshots and of all logs. */
  async sizes(): Promise<{ snapshots: number; logs: number }> {
    return {
      snapshots: await this.sizeOf(this.snapshotDirectory, 'snapshot'),
      logs: await this.sizeOf(this.logDirectory, 'log'),
    };
  }

  /** Makes again what a crash may have cut short. */
  private async finishPending(log: Log): Promise<void> {
    const { pending } = this.files;
    const change = await pending.read();
    if (change === null) return;
    pending.refuseIfOutdated(change, await this.files.newestZxid());
    log.warn('What was being done to the history at the last stop is finished first.', {
      ...change,
    });
    switch (change.kind) {
      case 'truncation':
        await finishTruncation(this.files, change.zxid, change.snapshot);
        break;
      case 'installation':
        await finishInstallation(this.files, change.zxid);
        break;
      case 'settingAside':
        await finishSettingAside(this.files, change.number);
        break;
    }
    await pending.end();
  }

  /** A log that failed is never closed: then no other is opened, and nothing is changed. */
  private assertNoLog(): void {
    assert(this.log?.isClosed !== false, 'the log before was closed');
  }

  /**
   * Creates a directory where it is missing, and makes its name durable, one level after the other:
   * so at most the last one that was there can have been left without, by a start that was killed;
   * or two, by a server that makes both and waits for neither.
   */
  private async createDirectory(directory: string): Promise<void> {
    const missing: string[] = [];
    let existing = directory;
    for (; !(await this.exists(existing)); existing = parentOf(existing)) missing.unshift(existing);
    await this.syncNameOf(parentOf(existing));
    await this.syncNameOf(existing);
    for (const made of missing) {
      await this.disk.makeDirectory(made);
      await this.disk.syncDirectory(parentOf(made));
    }
  }

  /** The directory above one that we did not make may be closed to us: then it is not ours to keep. */
  private async syncNameOf(directory: string): Promise<void> {
    try {
      await this.disk.syncDirectory(parentOf(directory));
    } catch (error) {
      const isClosed = error instanceof DiskError && /^(EACCES|EPERM)$/.test(error.code);
      if (!isClosed) throw error;
    }
  }

  private async exists(directory: string): Promise<boolean> {
    try {
      await this.disk.list(directory);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  private async refuseMixture(): Promise<void> {
    const { disk, snapshotDirectory, logDirectory } = this;
    if (snapshotDirectory === logDirectory) return;
    const strays = [
      ...logFiles(await disk.list(snapshotDirectory)).map(({ name }) =>
        joinPath(snapshotDirectory, name),
      ),
      ...snapshotFiles(await disk.list(logDirectory)).map(({ name }) =>
        joinPath(logDirectory, name),
      ),
    ];
    const stray = strays.at(0);
    if (stray === undefined) return;
    throw new StorageError(
      stray,
      null,
      `dataDir (${this.options.dataDir}) keeps snapshots and dataLogDir ` +
        `(${this.options.dataLogDir ?? this.options.dataDir}) keeps logs; move this file to the other`,
      { problem: 'misplaced' },
    );
  }

  private async clearUnfinished(directory: string): Promise<void> {
    for (const name of await this.disk.list(directory)) {
      if (name.startsWith(UNFINISHED_PREFIX)) await this.disk.remove(joinPath(directory, name));
    }
  }

  private async sizeOf(directory: string, kind: string): Promise<number> {
    let bytes = 0;
    for (const name of await this.disk.list(directory)) {
      if (!name.startsWith(`${kind}.`)) continue;
      bytes += await this.fileBytes(joinPath(directory, name));
    }
    return bytes;
  }

  /** 0 for a file that was purged meanwhile. */
  private async fileBytes(path: string): Promise<number> {
    try {
      const file = await this.disk.open(path, 'read');
      try {
        return await file.size();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  }
}

function parentOf(directory: string): string {
  const slash = directory.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : directory.slice(0, slash);
}
