import { readInt32, type Disk, type DiskFile } from '@aviary/foundation';
import { TXN_HEADER_BYTES } from '@aviary/protocol';
import { ADLER32_START, adler32 } from './adler32.js';
import {
  END_OF_RECORD,
  RECORD_PREFIX_BYTES,
  RECORD_SUFFIX_BYTES,
  checkRecord,
  recordBytes,
} from './log-format.js';
import type { LogEnd } from './log-scanner.js';

/*
 * What stands behind the last whole record of a log: the remains of a write that a crash had cut
 * short, or damage?
 *
 * A log file is all zeros before records are written to it. A process that is killed stops in the
 * middle of a write: what stands behind is zeros, or the file ends there. A disk that loses its power
 * has written some sectors and others not: zeros stand between. Damage looks different: bits that
 * turned over, other bytes.
 */

const SECTOR_BYTES = 512;

/** How much of what stands behind the last whole record is looked at. */
const SEARCH_BYTES_MAX = 32 << 20;

async function readBehind(disk: Disk, path: string, from: number): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  try {
    return await readRest(file, from);
  } finally {
    await file.close();
  }
}

async function readRest(file: DiskFile, from: number): Promise<Uint8Array> {
  const rest = (await file.size()) - from;
  const bytes = new Uint8Array(Math.max(0, Math.min(rest, SEARCH_BYTES_MAX)));
  return bytes.subarray(0, await file.read(bytes, from));
}

/**
 * Whether the bytes at the end of a log, where a record should be and is not, are what a write
 * leaves behind of which not everything came to the disk.
 */
export async function isTornWrite(disk: Disk, path: string, end: LogEnd): Promise<boolean> {
  const bytes = await readBehind(disk, path, end.offset);
  if (bytes.length < RECORD_PREFIX_BYTES) return true;
  const used = usedBytes(bytes);
  const length = readInt32(bytes, 8);
  if (isWholeOtherwise(bytes, used, length)) return false;
  const frameBytes = length > 0 ? recordBytes(bytes, 0) : RECORD_PREFIX_BYTES;
  return used < frameBytes || hasLostSector(bytes, end.offset, frameBytes);
}

/**
 * Whether the payload came to the disk as a whole, and only its frame is wrong: the checksum is that
 * of the bytes up to some end mark, or up to where another byte stands in the place of the mark.
 */
function isWholeOtherwise(bytes: Uint8Array, used: number, length: number): boolean {
  const checksum = readInt32(bytes, 4) >>> 0;
  let at = RECORD_PREFIX_BYTES + TXN_HEADER_BYTES;
  if (checksum === 0 || used <= at) return false;
  let sum = adler32(ADLER32_START, bytes, RECORD_PREFIX_BYTES, at);
  for (; at < used; at++) {
    const isEnd = bytes[at] === END_OF_RECORD || at === RECORD_PREFIX_BYTES + length;
    if (sum === checksum && isEnd && bytes[at] !== 0) return true;
    sum = adler32(sum, bytes, at, at + 1);
  }
  return false;
}

/** How many of `bytes` stand before the zeros at the end. */
function usedBytes(bytes: Uint8Array): number {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used--;
  return used;
}

/** Whether one of the sectors that the record at `bytes[0]` is in was never written. */
function hasLostSector(bytes: Uint8Array, offset: number, frameBytes: number): boolean {
  for (let at = 0; at < frameBytes;) {
    const next = at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES);
    if (bytes.subarray(at, next).every((byte) => byte === 0)) return true;
    at = next;
  }
  return false;
}

/** The offset of a whole record somewhere behind `from`; null if there is none. */
export async function findRecordBehind(
  disk: Disk,
  path: string,
  from: number,
): Promise<number | null> {
  const bytes = await readBehind(disk, path, from);
  const shortest = RECORD_PREFIX_BYTES + TXN_HEADER_BYTES + RECORD_SUFFIX_BYTES;
  for (let at = 1; at <= bytes.length - shortest; at++) {
    if (readInt32(bytes, at + 8) === 0) {
      // In a run of zeros no record starts earlier than its length can end.
      const nonZero = nextNonZero(bytes, at + RECORD_PREFIX_BYTES);
      at = Math.max(at, nonZero - RECORD_PREFIX_BYTES);
    } else if (readInt32(bytes, at) === 0 && checkRecord(bytes, at, bytes.length) === 'whole') {
      return from + at;
    }
  }
  return null;
}

/** Where the next byte that is not zero stands in `bytes`, which begins at a word. */
function nextNonZero(bytes: Uint8Array, from: number): number {
  const words = new Int32Array(bytes.buffer, 0, bytes.length >>> 2);
  let at = from;
  while (at < bytes.length && (at & 3) !== 0 && bytes[at] === 0) at++;
  if ((at & 3) === 0) {
    let word = at >>> 2;
    while (word < words.length && words[word] === 0) word++;
    at = word << 2;
  }
  while (at < bytes.length && bytes[at] === 0) at++;
  return Math.min(at, bytes.length);
}
