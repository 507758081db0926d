import {
  DiskError,
  isMissing,
  type Clock,
  type Disk,
  type Log,
  type Zxid,
} from '@aviary/foundation';
import { DurableMarkFile } from './durable-mark.js';
import { EpochFiles } from './epoch-files.js';
import { StorageError } from './errors.js';
import {
  UNFINISHED_PREFIX,
  VERSION_DIRECTORY,
  joinPath,
  logFiles,
  snapshotFiles,
} from './file-names.js';
import { purge } from './purge.js';
import { recover, type Recovered, type RecoveryTarget } from './recovery.js';
import { writeSnapshot, type SnapshotSource } from './snapshot-writer.js';
import { TransactionLog, type LogListener, type TransactionLogOptions } from './transaction-log.js';

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
  private readonly mark: DurableMarkFile;

  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    private readonly options: DataDirectoryOptions,
  ) {
    this.snapshotDirectory = joinPath(options.dataDir, VERSION_DIRECTORY);
    this.logDirectory = joinPath(options.dataLogDir ?? options.dataDir, VERSION_DIRECTORY);
    this.mark = new DurableMarkFile(disk, this.logDirectory, clock);
  }

  /**
   * Creates the directories if need be and recovers what is in them into `target`.
   *
   * @throws {StorageError} What is there cannot be trusted; nothing was changed.
   */
  async recover(target: RecoveryTarget, log: Log): Promise<Recovered> {
    const { disk, snapshotDirectory, logDirectory } = this;
    await this.createDirectory(snapshotDirectory);
    await this.createDirectory(logDirectory);
    const snapshotNames = await disk.list(snapshotDirectory);
    const logNames = await disk.list(logDirectory);
    if (snapshotDirectory !== logDirectory) this.refuseMixture(snapshotNames, logNames);
    // What is about to be read and relied on must be found again, also by its name.
    await disk.syncDirectory(logDirectory);
    if (snapshotDirectory !== logDirectory) await disk.syncDirectory(snapshotDirectory);
    const recovered = await recover(
      disk,
      {
        snapshotDirectory,
        logDirectory,
        snapshots: snapshotFiles(snapshotNames),
        logs: logFiles(logNames),
        mark: await this.mark.read(),
      },
      target,
      log,
    );
    await this.clearUnfinished(snapshotDirectory, snapshotNames);
    if (logDirectory !== snapshotDirectory) await this.clearUnfinished(logDirectory, logNames);
    return recovered;
  }

  /**
   * Reads the epochs of a member of an ensemble; after {@link recover}, which gave `lastZxid`.
   *
   * @throws {StorageError} They cannot be; nothing was changed.
   */
  openEpochs(lastZxid: Zxid, log: Log): Promise<EpochFiles> {
    return EpochFiles.open(this.disk, this.snapshotDirectory, lastZxid, log);
  }

  /** Opens the log for what comes now; after {@link recover}. */
  async openLog(options: TransactionLogOptions, listener: LogListener): Promise<TransactionLog> {
    await this.mark.open();
    return new TransactionLog(
      this.disk,
      this.logDirectory,
      options,
      this.mark,
      this.clock,
      listener,
    );
  }

  /** Writes a snapshot; returns its size in bytes. @throws {DiskError} Nothing is lost. */
  writeSnapshot(source: SnapshotSource): Promise<number> {
    return writeSnapshot(this.disk, this.snapshotDirectory, source);
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

  private refuseMixture(snapshotNames: readonly string[], logNames: readonly string[]): void {
    const strays = [
      ...logFiles(snapshotNames).map(({ name }) => joinPath(this.snapshotDirectory, name)),
      ...snapshotFiles(logNames).map(({ name }) => joinPath(this.logDirectory, name)),
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

  private async clearUnfinished(directory: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
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
