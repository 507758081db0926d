import { readInt32, writeInt32 } from '@aviary/foundation';
import { CONTAINER_OWNER_HIGH } from '@aviary/protocol';
import { CRC32_START, crc32Update, crc32Value } from './crc32.js';

/** Bytes of the part of a node's digest that is made from its Stat. */
export const STAT_IMAGE_BYTES = 60;

const ZOOKEEPER_PREFIX = new TextEncoder().encode('/zookeeper/');

/** Whether the path lies below `/zookeeper`: such nodes do not count in the digest of the tree. */
export function isSystemPath(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < ZOOKEEPER_PREFIX.length) return false;
  for (let i = 0; i < ZOOKEEPER_PREFIX.length; i++) {
    if (bytes[start + i] !== ZOOKEEPER_PREFIX[i]) return false;
  }
  return true;
}

/** The state of the checksum after path and data; of a node whose Stat alone changes it stays. */
export function digestOfContent(
  path: Uint8Array,
  pathStart: number,
  pathEnd: number,
  data: Uint8Array,
  dataStart: number,
  dataEnd: number,
): number {
  // The root has the empty path on disk and in the digest.
  const isRoot = pathEnd - pathStart === 1;
  const afterPath = isRoot ? CRC32_START : crc32Update(CRC32_START, path, pathStart, pathEnd);
  return crc32Update(afterPath, data, dataStart, dataEnd);
}

/**
 * Where the fields of a Stat stand in the image that is digested: czxid, mzxid, pzxid, ctime,
 * mtime, version, cversion (children ever created), aversion, owner as on disk.
 */
export const StatImageOffset = {
  czxid: 0,
  mzxid: 8,
  pzxid: 16,
  ctime: 24,
  mtime: 32,
  version: 40,
  childrenCreated: 44,
  aversion: 48,
  owner: 52,
} as const;

/** The digest of a node from the state after its content and the image of its Stat. */
export function digestOfStat(contentState: number, image: Uint8Array): number {
  return crc32Value(crc32Update(contentState, image, 0, STAT_IMAGE_BYTES));
}

/** The high half of the owner of a TTL node; the low half is the low half of the time to live. */
export function ttlOwnerHigh(ttlMs: number): number {
  return 0xff00_0000 | (ttlMs / 0x1_0000_0000);
}

/** The time to live in the image of a TTL node's Stat, in milliseconds. */
export function ttlIn(image: Uint8Array): number {
  const high = readInt32(image, StatImageOffset.owner) & 0xff;
  return high * 0x1_0000_0000 + (readInt32(image, StatImageOffset.owner + 4) >>> 0);
}

/** Writes the owner of a container, as it stands on disk. */
export function writeContainerOwner(bytes: Uint8Array, at: number): void {
  writeInt32(bytes, at, CONTAINER_OWNER_HIGH);
  writeInt32(bytes, at + 4, 0);
}

/** Writes the owner of a TTL node, as it stands on disk. */
export function writeTtlOwner(bytes: Uint8Array, at: number, ttlMs: number): void {
  writeInt32(bytes, at, ttlOwnerHigh(ttlMs));
  writeInt32(bytes, at + 4, ttlMs | 0);
}
