import { ZxidRangeError, formatZxid, type Disk, type Log, type Zxid } from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import { DURABLE_MARK_NAME } from './durable-mark.js';
import { StorageError } from './errors.js';
import { joinPath, logName, type NamedFile } from './file-names.js';
import { LOG_HEADER_BYTES } from './log-format.js';
import { isCleanEnd, scanLog, type LogEnd, type TransactionSink } from './log-scanner.js';
import {
  judgeTail,
  settleTail,
  type LogTail,
  type TailVerdict,
  type TornTail,
} from './log-tail.js';
import type { RecoverySource, RecoveryTarget } from './recovery-target.js';
import { canFollow } from './succession.js';
import { syncFile } from './whole-file.js';

/** A log file that was replayed, and where it ended. */
interface ReplayedLog {
  readonly file: NamedFile;
  readonly path: string;
  readonly end: LogEnd;
}

/** Replays the transactions behind a snapshot, and sees to the ends of the logs. */
export class LogReplay {
  /** Transactions that were applied. */
  count = 0;
  /** The first transaction that {@link read} left behind its limit; null: it left none. */
  beyond: Zxid | null = null;
  private readonly replayed: ReplayedLog[] = [];

  constructor(
    private readonly disk: Disk,
    private readonly source: RecoverySource,
    private readonly target: RecoveryTarget,
    /** Of the last transaction in the target. */
    public lastZxid: Zxid,
  ) {}

  /**
   * Applies every transaction behind `lastZxid`, up to `upTo`, and changes nothing on the disk.
   *
   * @throws {StorageError} One is missing between two others, or cannot be applied.
   */
  async read(upTo: Zxid = Infinity): Promise<void> {
    const { logs, logDirectory } = this.source;
    // The file that may hold the transaction behind the snapshot, and all after it.
    const holding = logs.findLastIndex(({ zxid }) => zxid <= this.lastZxid + 1);
    for (const file of logs.slice(Math.max(holding, 0))) {
      if (file.zxid > upTo) this.beyond ??= file.zxid;
      if (this.beyond !== null) break;
      const path = joinPath(logDirectory, file.name);
      const end = await this.replayFile(path, upTo);
      this.replayed.push({ file, path, end });
      this.beyond = end.beyond;
    }
  }

  /**
   * Judges the ends of the logs that were read, cuts what a crash left of the last writes, and makes
   * durable what stays.
   *
   * @returns What was cut, or null.
   * @throws {StorageError} A log is damaged, or one that was there is gone; nothing was changed.
   */
  async settleTails(log: Log): Promise<TornTail | null> {
    const tails = this.tails();
    // All are judged before any is touched: who refuses changes nothing.
    const verdicts: TailVerdict[] = [];
    for (const tail of tails) verdicts.push(await judgeTail(this.disk, tail));
    this.refuseLostLog();
    let torn: TornTail | null = null;
    for (const [index, tail] of tails.entries()) {
      const cut = await settleTail(this.disk, tail, verdicts[index], log);
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

  private replayFile(path: string, upTo: Zxid): Promise<LogEnd> {
    const take: TransactionSink = (bytes, start, end, zxid, offset) => {
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
    };
    return scanLog(this.disk, path, take, upTo);
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
