import {
  DiskError,
  ZxidRangeError,
  formatZxid,
  zxidCounter,
  zxidEpoch,
  type Disk,
  type Log,
  type Zxid,
} from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import { DURABLE_MARK_NAME, type DurableMark } from './durable-mark.js';
import { StorageError } from './errors.js';
import { joinPath, logName, type NamedFile } from './file-names.js';
import { LOG_HEADER_BYTES } from './log-format.js';
import {
  judgeTail,
  settleTail,
  type LogTail,
  type TailVerdict,
  type TornTail,
} from './log-tail.js';
import { isCleanEnd, scanLog, type LogEnd } from './log-scanner.js';
import {
  looksWhole,
  readSnapshot,
  type SnapshotBodySink,
  type SnapshotSections,
} from './snapshot-reader.js';

/** No more snapshots than this are tried, the newest first. */
const SNAPSHOTS_TRIED_MAX = 100;

/** The state that is being recovered. */
export interface RecoveryTarget {
  /** Starts over with an empty tree; its body comes to the sink. */
  beginSnapshot(): SnapshotBodySink;

  /** The snapshot of `zxid` is whole. */
  endSnapshot(zxid: Zxid, sections: SnapshotSections): void;

  /** Starts over with what a new ensemble has. */
  beginFresh(): void;

  /** Applies one logged transaction; the bytes are good for the call. */
  apply(bytes: Uint8Array, start: number, end: number): void;
}

/** Where the files are. */
export interface RecoverySource {
  readonly snapshotDirectory: string;
  readonly logDirectory: string;
  /** Oldest first. */
  readonly snapshots: readonly NamedFile[];
  readonly logs: readonly NamedFile[];
  /** How far the newest log was durable, if that is known. */
  readonly mark: DurableMark | null;
}

/** What was recovered. */
export interface Recovered {
  /** Of the last transaction; 0 for a new ensemble. */
  readonly lastZxid: Zxid;
  /** In the name of the snapshot that was used; null if there was none. */
  readonly snapshotZxid: Zxid | null;
  readonly transactionsReplayed: number;
  /** What was cut from the end of the newest log; null if nothing was. */
  readonly tornTail: TornTail | null;
}

/**
 * Brings back the state before the last stop: the newest good snapshot, then every transaction
 * logged after it.
 *
 * @throws {StorageError} Something is damaged or missing that may have been acknowledged. Nothing
 * was changed.
 */
export async function recover(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
): Promise<Recovered> {
  const snapshot = await loadNewestSnapshot(disk, source, target, log);
  if (snapshot === null) await beginWithoutSnapshot(disk, source, target, log);
  const replay = new LogReplay(disk, source, target, log, snapshot?.zxid ?? 0);
  const tornTail = await replay.run();
  return {
    lastZxid: replay.lastZxid,
    snapshotZxid: snapshot?.zxid ?? null,
    transactionsReplayed: replay.count,
    tornTail,
  };
}

async function loadNewestSnapshot(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
): Promise<NamedFile | null> {
  for (const snapshot of source.snapshots.slice(-SNAPSHOTS_TRIED_MAX).reverse()) {
    const path = joinPath(source.snapshotDirectory, snapshot.name);
    try {
      if (!(await looksWhole(disk, path))) {
        log.warn(`Snapshot ${path} is not whole; an older one is used.`);
        continue;
      }
      const sections = await readSnapshot(disk, path, target.beginSnapshot());
      target.endSnapshot(snapshot.zxid, sections);
      // The server that wrote it may not have waited for the disk.
      await syncFile(disk, path);
      return snapshot;
    } catch (error) {
      // Sectors that cannot be read are as good as damaged ones. The logs prove that nothing is lost.
      if (!(error instanceof StorageError || error instanceof DiskError)) throw error;
      log.warn(`${error.message}; an older snapshot is used.`);
    }
  }
  return null;
}

/** A log that goes back to the first transaction needs no snapshot; nothing else can do without. */
async function beginWithoutSnapshot(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
): Promise<void> {
  const first = await firstTransaction(disk, source);
  const newest = source.snapshots.at(-1);
  if (first !== null && first !== 1) {
    const { snapshotDirectory } = source;
    throw new StorageError(
      newest === undefined ? snapshotDirectory : joinPath(snapshotDirectory, newest.name),
      null,
      `no snapshot can be read, and the log starts at transaction 0x${formatZxid(first)}: restore a ` +
        'snapshot of this server, or start it with an empty data directory to lose what it held',
    );
  }
  if (first === null && newest !== undefined) {
    throw new StorageError(
      joinPath(source.snapshotDirectory, newest.name),
      null,
      'no snapshot can be read and there is no log: restore a snapshot of this server, or start it ' +
        'with an empty data directory to lose what it held',
    );
  }
  if (first !== null)
    log.warn('There is no snapshot; the log is replayed from the first transaction.');
  target.beginFresh();
}

async function firstTransaction(disk: Disk, source: RecoverySource): Promise<Zxid | null> {
  for (const { name } of source.logs) {
    const end = await scanLog(disk, joinPath(source.logDirectory, name), () => undefined);
    if (end.firstZxid !== null) return end.firstZxid;
  }
  return null;
}

/** Whether a transaction can follow another: the next of the epoch, or the first of a later one. */
function canFollow(zxid: Zxid, last: Zxid): boolean {
  if (zxid === last + 1) return true;
  return zxidEpoch(zxid) > zxidEpoch(last) && zxidCounter(zxid) === 1;
}

/** A log file that was replayed, and where it ended. */
interface ReplayedLog {
  readonly file: NamedFile;
  readonly path: string;
  readonly end: LogEnd;
}

class LogReplay {
  count = 0;
  private readonly replayed: ReplayedLog[] = [];

  constructor(
    private readonly disk: Disk,
    private readonly source: RecoverySource,
    private readonly target: RecoveryTarget,
    private readonly log: Log,
    public lastZxid: Zxid,
  ) {}

  async run(): Promise<TornTail | null> {
    const { logs, logDirectory } = this.source;
    // The file that may hold the transaction behind the snapshot, and all after it.
    const holding = logs.findLastIndex(({ zxid }) => zxid <= this.lastZxid + 1);
    for (const file of logs.slice(Math.max(holding, 0))) {
      const path = joinPath(logDirectory, file.name);
      this.replayed.push({ file, path, end: await this.replayFile(path) });
    }
    const tails = this.tails();
    // All are judged before any is touched: who refuses changes nothing.
    const verdicts: TailVerdict[] = [];
    for (const tail of tails) verdicts.push(await judgeTail(this.disk, tail));
    this.refuseLostLog();
    let torn: TornTail | null = null;
    for (const [index, tail] of tails.entries()) {
      const cut = await settleTail(this.disk, tail, verdicts[index], this.log);
      torn ??= cut;
    }
    await this.syncOlder(this.replayed.length - tails.length);
    return torn;
  }

  /**
   * The ends behind which no transaction is known: that of the last file that has any, and of those
   * after it. The files before them are proved whole by the transactions that follow.
   */
  private tails(): LogTail[] {
    const last = this.replayed.findLastIndex(({ end }) => end.lastZxid !== null);
    return this.replayed
      .slice(Math.max(last, 0))
      .map(({ file, path, end }) => ({ path, end, durableOffset: this.durableOffsetOf(file) }));
  }

  private durableOffsetOf(file: NamedFile): number | null {
    const { mark } = this.source;
    return mark !== null && mark.log === file.zxid ? mark.offset : null;
  }

  /** The mark names the newest log, and with it how far recovery must come at least. */
  private refuseLostLog(): void {
    const { mark, logDirectory } = this.source;
    if (mark === null || this.lastZxid >= mark.log) return;
    const held = mark.offset > LOG_HEADER_BYTES;
    if (!held && canFollow(mark.log, this.lastZxid)) return;
    throw new StorageError(
      joinPath(logDirectory, held ? logName(mark.log) : DURABLE_MARK_NAME),
      null,
      `${held ? 'this log' : `everything before transaction 0x${formatZxid(mark.log)}`} was on the ` +
        `disk, but only transactions up to 0x${formatZxid(this.lastZxid)} can be found: restore the ` +
        'log files of this server; to accept the loss of what is missing, remove the file ' +
        joinPath(logDirectory, DURABLE_MARK_NAME),
    );
  }

  /** Another server may have left its last log without a sync. */
  private async syncOlder(count: number): Promise<void> {
    for (const { path } of this.replayed.slice(0, count)) await syncFile(this.disk, path);
  }

  private replayFile(path: string): Promise<LogEnd> {
    return scanLog(this.disk, path, (bytes, start, end, zxid, offset) => {
      if (zxid <= this.lastZxid) return;
      if (!canFollow(zxid, this.lastZxid)) throw this.gap(path, offset, zxid);
      try {
        this.target.apply(bytes, start, end);
      } catch (cause) {
        if (!(cause instanceof JuteError || cause instanceof ZxidRangeError)) throw cause;
        throw new StorageError(
          path,
          offset,
          `transaction 0x${formatZxid(zxid)} cannot be replayed (${cause.message}): it was written by ` +
            'a server of another kind or version; start that one to take a snapshot, or restore the file',
          { cause, problem: 'foreign' },
        );
      }
      this.lastZxid = zxid;
      this.count++;
    });
  }

  private gap(path: string, offset: number, zxid: Zxid): StorageError {
    const before = this.replayed.findLast(({ end }) => !isCleanEnd(end));
    return new StorageError(
      path,
      offset,
      `transaction 0x${formatZxid(zxid)} follows 0x${formatZxid(this.lastZxid)}: what stood between ` +
        'is missing or damaged' +
        (before === undefined
          ? ''
          : ` (${before.path} cannot be read on at byte ${before.end.offset})`) +
        '; restore the log files of this server',
    );
  }
}

/** Makes what was read from a file durable. */
async function syncFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'read');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
