import { STAT_BYTES, StatOffset } from '@aviary/protocol';

/**
 * How a znode lies in its block:
 *
 *     eight words   path length and flags, parent, first child, next and previous sibling,
 *                   ACL, digest, number of children ever created
 *     path          UTF-8
 *     value         data length (-1: null), data, Stat: exactly the body of a getData reply
 *
 * The words are in the order of the machine, everything behind them in wire order. The Stat is kept
 * as clients see it: `cversion` counts creations and deletions, and the owner of a container or TTL
 * node is 0.
 */
export const HEADER_BYTES = 32;

/** Word offsets of the header. */
export const Word = {
  /** Path length in the low 24 bits, then the kind, then {@link DIGEST_KNOWN}. */
  pathAndFlags: 0,
  parent: 1,
  firstChild: 2,
  nextSibling: 3,
  previousSibling: 4,
  acl: 5,
  /** CRC-32 of path, data and stat; good only while {@link DIGEST_KNOWN} is set. */
  digest: 6,
  /** Children ever created: what numbers sequential children, and the cversion on disk. */
  childrenCreated: 7,
} as const;

export const PATH_LENGTH_MASK = 0xff_ffff;
/** The longest path that a record holds. */
export const PATH_BYTES_MAX = PATH_LENGTH_MASK;
export const KIND_SHIFT = 24;
export const KIND_MASK = 3;
export const DIGEST_KNOWN = 1 << 26;

/** No node, as parent, child or sibling. */
export const NO_NODE = -1;

/** What makes a node go away by itself. */
export const NodeKind = {
  persistent: 0,
  ephemeral: 1,
  container: 2,
  ttl: 3,
} as const;
export type NodeKind = (typeof NodeKind)[keyof typeof NodeKind];

/** Bytes of a record with that path and data. */
export function recordBytes(pathLength: number, dataBytes: number): number {
  return HEADER_BYTES + pathLength + 4 + dataBytes + STAT_BYTES;
}

export { STAT_BYTES, StatOffset };
