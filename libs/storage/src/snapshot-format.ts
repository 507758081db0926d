import { readInt32, writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import { DIGEST_VERSION } from '@aviary/protocol';

/*
 * A snapshot file, as ZooKeeper 3.9's FileSnap writes it:
 *
 *     header            magic "ZKSN", int version 2, long -1
 *     body              sessions, access control lists, nodes
 *     seal              long Adler-32 of all before it, string "/"
 *     digest section    long zxid, int digest version, long digest; seal
 *     zxid section      long last zxid; seal
 *
 * The checksum runs on over the seals. 3.8 ends after the second seal, 3.5 after the first.
 */

export const SNAPSHOT_HEADER_BYTES = 16;
export const SEAL_BYTES = 13;
export const DIGEST_SECTION_BYTES = 20;
export const ZXID_SECTION_BYTES = 8;

const MAGIC = 0x5a4b534e;
const VERSION = 2;

/** What a snapshot says of the digest of its tree. */
export interface SnapshotDigest {
  /** The transaction after which the tree had the digest. 0: none was applied since the start. */
  readonly zxid: Zxid;
  readonly version: number;
  /** The two halves of the digest. */
  readonly high: number;
  readonly low: number;
}

export function snapshotHeader(): Uint8Array {
  const header = new Uint8Array(SNAPSHOT_HEADER_BYTES).fill(0xff);
  writeInt32(header, 0, MAGIC);
  writeInt32(header, 4, VERSION);
  return header;
}

export function isSnapshotHeader(bytes: Uint8Array): boolean {
  return bytes.length >= SNAPSHOT_HEADER_BYTES && readInt32(bytes, 0) === MAGIC;
}

/** A seal over everything that gave `checksum`. */
export function seal(checksum: number): Uint8Array {
  const bytes = new Uint8Array(SEAL_BYTES);
  writeInt32(bytes, 4, checksum | 0);
  writeInt32(bytes, 8, 1);
  bytes[12] = 0x2f;
  return bytes;
}

export function digestSection(zxid: Zxid, high: number, low: number): Uint8Array {
  const bytes = new Uint8Array(DIGEST_SECTION_BYTES);
  writeUint53(bytes, 0, zxid);
  writeInt32(bytes, 8, DIGEST_VERSION);
  writeInt32(bytes, 12, high);
  writeInt32(bytes, 16, low);
  return bytes;
}

export function zxidSection(zxid: Zxid): Uint8Array {
  const bytes = new Uint8Array(ZXID_SECTION_BYTES);
  writeUint53(bytes, 0, zxid);
  return bytes;
}

/** Every whole, uncompressed snapshot ends with a seal, and so with this. */
const LAST_BYTES = [0, 0, 0, 1, 0x2f];

/** Whether the last bytes of a file are those of a finished snapshot. */
export function endsLikeSnapshot(tail: Uint8Array): boolean {
  const start = tail.length - LAST_BYTES.length;
  return start >= 0 && LAST_BYTES.every((byte, i) => tail[start + i] === byte);
}
