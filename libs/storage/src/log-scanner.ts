import { ZxidRangeError, type Disk, type DiskFile, type Zxid } from '@aviary/foundation';
import { StorageError } from './errors.js';
import {
  LOG_HEADER_BYTES,
  RECORD_PREFIX_BYTES,
  RECORD_SUFFIX_BYTES,
  checkRecord,
  isLogHeader,
  recordBytes,
  zxidOfPayload,
  type RecordCheck,
} from './log-format.js';

const WINDOW_BYTES = 1 << 20;

/**
 * Hears the transactions of a log, in order; the bytes are good for the call. `offset` is that of
 * the record in the file.
 */
export type TransactionSink = (
  bytes: Uint8Array,
  start: number,
  end: number,
  zxid: Zxid,
  offset: number,
) => void;

/** Where the readable part of a log file ends, and why. */
export interface LogEnd {
  /** Just behind the last whole record. */
  readonly offset: number;
  readonly fileBytes: number;
  /** The zxid of the last whole record; null if there is none. */
  readonly lastZxid: Zxid | null;
  readonly firstZxid: Zxid | null;
  /**
   * `padding` and, exactly at the end of the file, `incomplete` are ends in order. `beyond`: there a
   * record stands that was not asked for.
   */
  readonly why: RecordCheck | 'noHeader' | 'beyond';
  /** The zxid of that record; null: there is none. */
  readonly beyond: Zxid | null;
}

/** Whether nothing is wrong behind the last record. */
export function isCleanEnd(end: LogEnd): boolean {
  return end.why === 'padding' || (end.why === 'incomplete' && end.offset === end.fileBytes);
}

/**
 * Reads the records of a log file, one after the other, through a window that moves over it.
 *
 * @example
 * do while (cursor.next()) take(cursor.bytes.subarray(cursor.start, cursor.end));
 * while (await cursor.fill());
 */
export class LogCursor {
  /** The payload of the record at hand is `bytes[start..end)`, until {@link fill}. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Of the record at hand. */
  zxid: Zxid = 0;
  /** What stands behind the record at hand, once {@link next} has said no. */
  why: RecordCheck | 'noHeader' = 'incomplete';
  /** Where in the file the window starts, and how many bytes of it are filled. */
  private base = 0;
  private filled = 0;
  /** Where in the window the next record starts. */
  private at = 0;

  private constructor(
    private readonly file: DiskFile,
    /** Up to where the file is read, in bytes. May grow while nothing is being read. */
    public fileBytes: number,
  ) {}

  /**
   * @param limitBytes Reads no further than this. Default: to the end.
   * @throws {StorageError} The file is no log.
   */
  static async open(disk: Disk, path: string, limitBytes = Infinity): Promise<LogCursor> {
    const file = await disk.open(path, 'read');
    try {
      const cursor = new LogCursor(file, Math.min(await file.size(), limitBytes));
      await cursor.begin();
      return cursor;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Where in the file the next record starts: just behind the one at hand. */
  get offset(): number {
    return this.base + this.at;
  }

  /** How many bytes the file has now. */
  size(): Promise<number> {
    return this.file.size();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /**
   * Goes to the next record, if all of it is at hand.
   *
   * @throws {StorageError} Its zxid is one that this server cannot count.
   */
  next(): boolean {
    const { bytes, at } = this;
    this.why = this.why === 'noHeader' ? 'noHeader' : checkRecord(bytes, at, this.filled);
    if (this.why !== 'whole') return false;
    const length = recordBytes(bytes, at);
    this.start = at + RECORD_PREFIX_BYTES;
    this.end = at + length - RECORD_SUFFIX_BYTES;
    this.zxid = zxidAt(this.file.path, this.offset, bytes, this.start);
    this.at += length;
    return true;
  }

  /** Reads on; false: there is nothing more to read, and {@link why} says what stands here. */
  async fill(): Promise<boolean> {
    if (this.why !== 'incomplete' || this.base + this.filled >= this.fileBytes) return false;
    const { offset } = this;
    const prefixIsThere = this.filled - this.at >= RECORD_PREFIX_BYTES;
    const needed = prefixIsThere ? recordBytes(this.bytes, this.at) : RECORD_PREFIX_BYTES;
    // A length beyond the file will never be whole: do not make room for it.
    const had = this.base + this.filled;
    await this.moveTo(offset, Math.min(needed, this.fileBytes - offset));
    return this.base + this.filled > had;
  }

  private async begin(): Promise<void> {
    await this.moveTo(0, LOG_HEADER_BYTES);
    if (this.fileBytes < LOG_HEADER_BYTES) {
      this.why = 'noHeader';
      return;
    }
    if (!isLogHeader(this.bytes)) {
      const sentence = 'is no transaction log: the first bytes are not "ZKLG"';
      throw new StorageError(this.file.path, 0, sentence);
    }
    this.at = LOG_HEADER_BYTES;
  }

  /** Moves the window to `offset`, with at least `needed` bytes unless the file ends before. */
  private async moveTo(offset: number, needed: number): Promise<void> {
    const kept = Math.max(this.base + this.filled - offset, 0);
    const length = Math.min(Math.max(WINDOW_BYTES, needed), this.fileBytes);
    const next = length > this.bytes.length ? new Uint8Array(length) : this.bytes;
    const from = offset - this.base;
    if (kept > 0) next.set(this.bytes.subarray(from, from + kept));
    this.bytes = next;
    this.base = offset;
    this.at = 0;
    this.filled = kept;
    const room = next.subarray(kept, Math.max(kept, this.fileBytes - offset));
    this.filled += await this.file.read(room, offset + kept);
  }
}

/**
 * Reads every whole record of a log file and hands it to `sink`.
 *
 * @param upTo Stops before the first record behind this zxid. Default: reads them all.
 * @throws {StorageError} The file is no log, or has a zxid that this server cannot count.
 */
export async function scanLog(
  disk: Disk,
  path: string,
  sink: TransactionSink,
  upTo: Zxid = Infinity,
): Promise<LogEnd> {
  const cursor = await LogCursor.open(disk, path);
  try {
    return await scanRecords(cursor, sink, upTo);
  } finally {
    await cursor.close();
  }
}

async function scanRecords(cursor: LogCursor, sink: TransactionSink, upTo: Zxid): Promise<LogEnd> {
  const { fileBytes } = cursor;
  let firstZxid: Zxid | null = null;
  let lastZxid: Zxid | null = null;
  let { offset } = cursor;
  do {
    while (cursor.next()) {
      const { zxid } = cursor;
      if (zxid > upTo) {
        return { offset, fileBytes, firstZxid, lastZxid, why: 'beyond', beyond: zxid };
      }
      sink(cursor.bytes, cursor.start, cursor.end, zxid, offset);
      firstZxid ??= zxid;
      lastZxid = zxid;
      ({ offset } = cursor);
    }
  } while (await cursor.fill());
  return { offset, fileBytes, firstZxid, lastZxid, why: cursor.why, beyond: null };
}

function zxidAt(path: string, offset: number, bytes: Uint8Array, payloadAt: number): Zxid {
  try {
    return zxidOfPayload(bytes, payloadAt);
  } catch (cause) {
    if (!(cause instanceof ZxidRangeError)) throw cause;
    throw new StorageError(path, offset, cause.message, { cause, problem: 'foreign' });
  }
}
