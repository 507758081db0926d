import {
  formatZxid,
  zxidCounter,
  zxidEpoch,
  type Disk,
  type Log,
  type Zxid,
} from '@aviary/foundation';
import type { DurableMark } from './durable-mark.js';
import { StorageError } from './errors.js';
import { joinPath, type NamedFile } from './file-names.js';
import { settleTail, type TornTail } from './log-tail.js';
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
    if (!(await looksWhole(disk, path))) {
      log.warn(`Snapshot ${path} is not whole; an older one is used.`);
      continue;
    }
    try {
      const sections = await readSnapshot(disk, path, target.beginSnapshot());
      target.endSnapshot(snapshot.zxid, sections);
      return snapshot;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
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
    const path = joinPath(source.snapshotDirectory, newest?.name ?? '');
    throw new StorageError(
      path,
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

class LogReplay {
  count = 0;

  constructor(
    private readonly disk: Disk,
    private readonly source: RecoverySource,
    private readonly target: RecoveryTarget,
    private readonly log: Log,
    public lastZxid: Zxid,
  ) {}

  async run(): Promise<TornTail | null> {
    const { logs } = this.source;
    // The file that may hold the transaction behind the snapshot, and all after it.
    const holding = logs.findLastIndex(({ zxid }) => zxid <= this.lastZxid + 1);
    const needed = logs.slice(Math.max(holding, 0));
    let tornTail: TornTail | null = null;
    for (const [index, file] of needed.entries()) {
      const path = joinPath(this.source.logDirectory, file.name);
      const end = await this.replayFile(path);
      if (index === needed.length - 1) {
        tornTail = await settleTail(this.disk, path, end, this.durableOffsetOf(file), this.log);
      } else if (!isCleanEnd(end)) {
        this.log.warn(`${path} cannot be read from byte ${end.offset} on; the next log goes on.`);
      }
    }
    return tornTail;
  }

  private durableOffsetOf(file: NamedFile): number | null {
    const { mark } = this.source;
    return mark !== null && mark.log === file.zxid ? mark.offset : null;
  }

  private replayFile(path: string): Promise<LogEnd> {
    return scanLog(this.disk, path, (bytes, start, end, zxid) => {
      if (zxid <= this.lastZxid) return;
      if (!canFollow(zxid, this.lastZxid)) {
        throw new StorageError(
          path,
          null,
          `transaction 0x${formatZxid(zxid)} follows 0x${formatZxid(this.lastZxid)}: what stood ` +
            'between is missing or damaged; restore the log files of this server',
        );
      }
      this.target.apply(bytes, start, end);
      this.lastZxid = zxid;
      this.count++;
    });
  }
}
