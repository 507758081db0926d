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
  /** `padding` and, exactly at the end of the file, `incomplete` are ends in order. */
  readonly why: RecordCheck | 'noHeader';
}

/** Whether nothing is wrong behind the last record. */
export function isCleanEnd(end: LogEnd): boolean {
  return end.why === 'padding' || (end.why === 'incomplete' && end.offset === end.fileBytes);
}

/** Reads a file through a window that moves over it. */
class Window {
  bytes: Uint8Array = new Uint8Array(0);
  /** Where in the file the window starts, and how many bytes of it are filled. */
  base = 0;
  filled = 0;

  constructor(
    private readonly file: DiskFile,
    readonly fileBytes: number,
  ) {}

  /** Moves the window to `offset`, with at least `needed` bytes unless the file ends before. */
  async moveTo(offset: number, needed: number): Promise<void> {
    const kept = Math.max(this.base + this.filled - offset, 0);
    const length = Math.min(Math.max(WINDOW_BYTES, needed), this.fileBytes);
    const next = length > this.bytes.length ? new Uint8Array(length) : this.bytes;
    const from = offset - this.base;
    if (kept > 0) next.set(this.bytes.subarray(from, from + kept));
    this.bytes = next;
    this.base = offset;
    this.filled = kept;
    this.filled += await this.file.read(next.subarray(kept), offset + kept);
  }
}

/**
 * Reads every whole record of a log file and hands it to `sink`.
 *
 * @throws {StorageError} The file is no log, or has a zxid that this server cannot count.
 */
export async function scanLog(disk: Disk, path: string, sink: TransactionSink): Promise<LogEnd> {
  const file = await disk.open(path, 'read');
  try {
    return await scanFile(file, path, sink);
  } finally {
    await file.close();
  }
}

async function scanFile(file: DiskFile, path: string, sink: TransactionSink): Promise<LogEnd> {
  const fileBytes = await file.size();
  const window = new Window(file, fileBytes);
  await window.moveTo(0, LOG_HEADER_BYTES);
  if (fileBytes < LOG_HEADER_BYTES) {
    return { offset: 0, fileBytes, firstZxid: null, lastZxid: null, why: 'noHeader' };
  }
  if (!isLogHeader(window.bytes)) {
    throw new StorageError(path, 0, 'is no transaction log: the first bytes are not "ZKLG"');
  }
  let firstZxid: Zxid | null = null;
  let lastZxid: Zxid | null = null;
  let at = LOG_HEADER_BYTES;
  for (;;) {
    const check = checkRecord(window.bytes, at, window.filled);
    if (check === 'whole') {
      const length = recordBytes(window.bytes, at);
      const payloadAt = at + RECORD_PREFIX_BYTES;
      const offset = window.base + at;
      lastZxid = zxidAt(path, offset, window.bytes, payloadAt);
      firstZxid ??= lastZxid;
      sink(window.bytes, payloadAt, at + length - RECORD_SUFFIX_BYTES, lastZxid, offset);
      at += length;
      continue;
    }
    const offset = window.base + at;
    const isAtEnd = window.base + window.filled >= fileBytes;
    if (check !== 'incomplete' || isAtEnd) {
      return { offset, fileBytes, firstZxid, lastZxid, why: check };
    }
    const prefixIsThere = window.filled - at >= RECORD_PREFIX_BYTES;
    const needed = prefixIsThere ? recordBytes(window.bytes, at) : RECORD_PREFIX_BYTES;
    // A length beyond the file will never be whole: do not make room for it.
    await window.moveTo(offset, Math.min(needed, fileBytes - offset));
    at = 0;
  }
}

function zxidAt(path: string, offset: number, bytes: Uint8Array, payloadAt: number): Zxid {
  try {
    return zxidOfPayload(bytes, payloadAt);
  } catch (cause) {
    if (!(cause instanceof ZxidRangeError)) throw cause;
    throw new StorageError(path, offset, cause.message, { cause, problem: 'foreign' });
  }
}
