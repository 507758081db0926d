import { copyBytes, readInt32, writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import type { JuteWriter } from '@aviary/jute';
import { REPLY_HEADER_BYTES } from '@aviary/protocol';

/** Bytes of a length and a ReplyHeader. */
export const REPLY_PREFIX_BYTES = 4 + REPLY_HEADER_BYTES;

/** Zxid of replies that belong to no point of the history: auth packets. */
export const NO_ZXID = 0;

/** Zxid of the answer to an operation number that nobody knows. */
export const UNKNOWN_ZXID = -1;

/** Opens a reply; its body is appended next. Returns what {@link endReply} wants. */
export function beginReply(out: JuteWriter): number {
  return out.reserve(REPLY_PREFIX_BYTES);
}

/** Closes the reply that was opened at `at`; one with an error has no body. */
export function endReply(out: JuteWriter, at: number, xid: number, zxid: Zxid, err: number): void {
  if (err !== 0) out.position = at + REPLY_PREFIX_BYTES;
  const { bytes } = out;
  writeInt32(bytes, at, out.position - at - 4);
  writeInt32(bytes, at + 4, xid);
  if (zxid < 0) {
    writeInt32(bytes, at + 8, -1);
    writeInt32(bytes, at + 12, -1);
  } else {
    writeUint53(bytes, at + 8, zxid);
  }
  writeInt32(bytes, at + 16, err);
}

/** A reply without a body. */
export function writeBareReply(out: JuteWriter, xid: number, zxid: Zxid, err: number): void {
  endReply(out, beginReply(out), xid, zxid, err);
}

/** Appends bytes as they are. */
export function appendBytes(
  out: JuteWriter,
  bytes: Uint8Array,
  start: number,
  length: number,
): void {
  const at = out.reserve(length);
  copyBytes(bytes, start, out.bytes, at, length);
}

/** Appends a string or buffer that stands somewhere as bytes. */
export function appendCounted(
  out: JuteWriter,
  bytes: Uint8Array,
  start: number,
  length: number,
): void {
  const at = out.reserve(4 + length);
  writeInt32(out.bytes, at, length);
  copyBytes(bytes, start, out.bytes, at + 4, length);
}

/** How two signed 64-bit numbers stand to each other: below, at or above zero. */
export function compare64(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  const high = readInt32(a, aAt) - readInt32(b, bAt);
  if (high !== 0) return high;
  return (readInt32(a, aAt + 4) >>> 0) - (readInt32(b, bAt + 4) >>> 0);
}
