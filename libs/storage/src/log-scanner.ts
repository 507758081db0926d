import { readInt32, type Disk, type DiskFile, type Zxid } from '@aviary/foundation';
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

/** Hears the transactions of a log, in order; the bytes are good for the call. */
export type TransactionSink = (bytes: Uint8Array, start: number, end: number, zxid: Zxid) => void;

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
  bytes: Uint8Array = new Uint8Array(WINDOW_BYTES);
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
    const length = Math.max(WINDOW_BYTES, needed);
    const next = length > this.bytes.length ? new Uint8Array(length) : this.bytes;
    const from = offset - this.base;
    if (kept > 0) next.set(this.bytes.subarray(from, from + kept));
    this.bytes = next;
    this.base = offset;
    this.filled = kept;
    this.filled += await this.file.read(next.subarray(kept), offset + kept);
  }
}

/** Reads every whole record of a log file and hands it to `sink`. */
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
      lastZxid = zxidOfPayload(window.bytes, payloadAt);
      firstZxid ??= lastZxid;
      sink(window.bytes, payloadAt, at + length - RECORD_SUFFIX_BYTES, lastZxid);
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

const SECTOR_BYTES = 512;

/**
 * Whether the bytes at `offset`, where a record should be and is not, look like a write of which a
 * sector never came to the disk: the file was zeros there before, so a lost sector is all zeros.
 */
export async function hasLostSector(disk: Disk, path: string, end: LogEnd): Promise<boolean> {
  const file = await disk.open(path, 'read');
  try {
    const bytes = new Uint8Array(Math.min(end.fileBytes - end.offset, WINDOW_BYTES));
    const filled = await file.read(bytes, end.offset);
    const length = recordLengthWithin(bytes, filled);
    for (let at = 0; at < length;) {
      const next = Math.min(at + SECTOR_BYTES - ((end.offset + at) % SECTOR_BYTES), length);
      if (bytes.subarray(at, next).every((byte) => byte === 0)) return true;
      at = next;
    }
    return length === filled && end.offset + filled === end.fileBytes;
  } finally {
    await file.close();
  }
}

function recordLengthWithin(bytes: Uint8Array, filled: number): number {
  if (filled < RECORD_PREFIX_BYTES) return filled;
  const length = recordBytes(bytes, 0);
  return length > 0 && length < filled ? length : filled;
}

/** How far behind an unreadable record another one of the same batch could stand. */
const SEARCH_BYTES_MAX = 32 << 20;

/** The offset of a whole record somewhere behind `from`; null if there is none. */
export async function findRecordBehind(
  disk: Disk,
  path: string,
  from: number,
): Promise<number | null> {
  const file = await disk.open(path, 'read');
  try {
    const fileBytes = await file.size();
    const bytes = new Uint8Array(Math.min(fileBytes - from, SEARCH_BYTES_MAX));
    const filled = await file.read(bytes, from);
    for (let at = 1; at < filled - RECORD_PREFIX_BYTES; at++) {
      if (readInt32(bytes, at + 8) === 0) {
        // In a run of zeros no record starts earlier than its length can end.
        const nonZero = nextNonZero(bytes, at + RECORD_PREFIX_BYTES, filled);
        at = Math.max(at, nonZero - RECORD_PREFIX_BYTES);
      } else if (readInt32(bytes, at) === 0 && checkRecord(bytes, at, filled) === 'whole') {
        return from + at;
      }
    }
    return null;
  } finally {
    await file.close();
  }
}

function nextNonZero(bytes: Uint8Array, from: number, end: number): number {
  const words = new Int32Array(bytes.buffer, 0, bytes.length >>> 2);
  let at = from;
  while (at < end && (at & 3) !== 0 && bytes[at] === 0) at++;
  if ((at & 3) === 0) {
    let word = at >>> 2;
    while (word < words.length && words[word] === 0) word++;
    at = word << 2;
  }
  while (at < end && bytes[at] === 0) at++;
  return Math.min(at, end);
}
