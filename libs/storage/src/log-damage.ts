import { readInt32, type Disk } from '@aviary/foundation';
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

/** What stands behind the last whole record. */
export interface Remains {
  readonly looksLike: 'nothing' | 'tornWrite' | 'damage';
  /** Where in the file another whole record stands; null if none does. */
  readonly recordAt: number | null;
}

/** Looks at what stands in a log behind its last whole record. */
export async function inspectRemains(disk: Disk, path: string, end: LogEnd): Promise<Remains> {
  const bytes = await readBehind(disk, path, end.offset);
  const used = usedBytes(bytes);
  if (used === 0) return { looksLike: 'nothing', recordAt: null };
  const looksLike = isTornWrite(bytes, used, end.offset) ? 'tornWrite' : 'damage';
  const found = findRecord(bytes, used);
  return { looksLike, recordAt: found === null ? null : end.offset + found };
}

async function readBehind(disk: Disk, path: string, from: number): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  try {
    const rest = (await file.size()) - from;
    const bytes = new Uint8Array(Math.max(0, Math.min(rest, SEARCH_BYTES_MAX)));
    return bytes.subarray(0, await file.read(bytes, from));
  } finally {
    await file.close();
  }
}

function isTornWrite(bytes: Uint8Array, used: number, offset: number): boolean {
  if (bytes.length < RECORD_PREFIX_BYTES) return true;
  const length = readInt32(bytes, 8);
  if (isWholeOtherwise(bytes, used, length)) return false;
  const frameBytes = length > 0 ? recordBytes(bytes, 0) : RECORD_PREFIX_BYTES;
  return used < frameBytes || hasLostSector(bytes, offset, frameBytes);
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

/** Whether one of the sectors that the record at `bytes[0]` is in was never written. */
function hasLostSector(bytes: Uint8Array, offset: number, frameBytes: number): boolean {
  for (let at = 0; at < frameBytes;) {
    const next = at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES);
    if (bytes.subarray(at, next).every((byte) => byte === 0)) return true;
    at = next;
  }
  return false;
}

/** Where in `bytes` a whole record starts, behind the first byte; null: nowhere before `used`. */
function findRecord(bytes: Uint8Array, used: number): number | null {
  const shortest = RECORD_PREFIX_BYTES + TXN_HEADER_BYTES + RECORD_SUFFIX_BYTES;
  for (let at = 1; at <= used - shortest; at++) {
    if (readInt32(bytes, at + 8) === 0) {
      // In a run of zeros no record starts earlier than its length can end.
      at = Math.max(at, nextNonZero(bytes, at + RECORD_PREFIX_BYTES) - RECORD_PREFIX_BYTES);
    } else if (readInt32(bytes, at) === 0 && checkRecord(bytes, at, used) === 'whole') {
      return at;
    }
  }
  return null;
}

/** `bytes` as words, from its start. */
function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

/** How many of `bytes` stand before the zeros at the end. */
function usedBytes(bytes: Uint8Array): number {
  const words = wordsOf(bytes);
  let used = bytes.length;
  while (used > words.length * 4 && bytes[used - 1] === 0) used--;
  if (used > words.length * 4) return used;
  let word = words.length;
  while (word > 0 && words[word - 1] === 0) word--;
  used = word * 4;
  while (used > 0 && bytes[used - 1] === 0) used--;
  return used;
}

/** Where the next byte that is not zero stands, at `from` or behind it. */
function nextNonZero(bytes: Uint8Array, from: number): number {
  const words = wordsOf(bytes);
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
