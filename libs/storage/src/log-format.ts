import { readInt32, writeInt32, zxidFromHalves, type Zxid } from '@aviary/foundation';
import { TXN_HEADER_BYTES } from '@aviary/protocol';
import { ADLER32_START, adler32 } from './adler32.js';

/*
 * A log file, as ZooKeeper's FileTxnLog writes it:
 *
 *     header    magic "ZKLG", int version 2, long 0
 *     records   long Adler-32 of the payload, int length, payload, byte 0x42
 *     padding   zeros
 */

export const LOG_HEADER_BYTES = 16;
/** What stands in front of a payload: checksum and length. */
export const RECORD_PREFIX_BYTES = 12;
/** What stands behind it. */
export const RECORD_SUFFIX_BYTES = 1;
export const END_OF_RECORD = 0x42;

const MAGIC = 0x5a4b4c47;
const VERSION = 2;

/** Closer than this to the end of the file no record is begun before the file is padded. */
export const PADDING_MARGIN_BYTES = 4096;

/** Where the zxid stands in a payload: behind session and xid of the TxnHeader. */
const ZXID_OFFSET = 12;

/** The header of every log file. */
export function logHeader(): Uint8Array {
  const header = new Uint8Array(LOG_HEADER_BYTES);
  writeInt32(header, 0, MAGIC);
  writeInt32(header, 4, VERSION);
  return header;
}

/** Whether `bytes` starts with the magic of a log file. */
export function isLogHeader(bytes: Uint8Array): boolean {
  return bytes.length >= LOG_HEADER_BYTES && readInt32(bytes, 0) === MAGIC;
}

/** Fills the frame around the payload `bytes[start..end)`, for which room was left on both sides. */
export function frameRecord(bytes: Uint8Array, start: number, end: number): void {
  writeInt32(bytes, start - 12, 0);
  writeInt32(bytes, start - 8, adler32(ADLER32_START, bytes, start, end));
  writeInt32(bytes, start - 4, end - start);
  bytes[end] = END_OF_RECORD;
}

/** The zxid of the transaction whose payload starts at `at`. */
export function zxidOfPayload(bytes: Uint8Array, at: number): Zxid {
  const zxidAt = at + ZXID_OFFSET;
  return zxidFromHalves(readInt32(bytes, zxidAt), readInt32(bytes, zxidAt + 4));
}

/** What stands at a place in a log where a record could start. */
export type RecordCheck =
  /** A whole record; it ends at `end`. */
  | 'whole'
  /** Zeros: the padding has begun. */
  | 'padding'
  /** More bytes are needed to tell. */
  | 'incomplete'
  /** A length that no record has. */
  | 'badLength'
  /** The end mark is missing. */
  | 'unterminated'
  /** The checksum is not that of the payload. */
  | 'badChecksum';

/** Looks at the record at `bytes[at..]`, of which the bytes up to `end` are there. */
export function checkRecord(bytes: Uint8Array, at: number, end: number): RecordCheck {
  if (end - at < RECORD_PREFIX_BYTES) return 'incomplete';
  const length = readInt32(bytes, at + 8);
  if (length === 0 && readInt32(bytes, at) === 0 && readInt32(bytes, at + 4) === 0)
    return 'padding';
  if (length < TXN_HEADER_BYTES) return 'badLength';
  const payloadAt = at + RECORD_PREFIX_BYTES;
  if (end - payloadAt < length + RECORD_SUFFIX_BYTES) return 'incomplete';
  if (bytes[payloadAt + length] !== END_OF_RECORD) return 'unterminated';
  const checksum = adler32(ADLER32_START, bytes, payloadAt, payloadAt + length);
  const isRight = readInt32(bytes, at) === 0 && readInt32(bytes, at + 4) >>> 0 === checksum;
  return isRight ? 'whole' : 'badChecksum';
}

/** The length of the record whose prefix stands at `at`, frame included. */
export function recordBytes(bytes: Uint8Array, at: number): number {
  return RECORD_PREFIX_BYTES + readInt32(bytes, at + 8) + RECORD_SUFFIX_BYTES;
}

/**
 * The size that a log file of `size` bytes is given before a record is written at `position`:
 * FilePadding.calculateFileSizeWithPadding. `blockBytes` 0 or less: no padding.
 */
export function paddedSize(position: number, size: number, blockBytes: number): number {
  if (blockBytes <= 0 || position + PADDING_MARGIN_BYTES < size) return size;
  if (position <= size) return size + blockBytes;
  const padded = position + blockBytes;
  return padded - (padded % blockBytes);
}
