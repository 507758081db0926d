import { copyBytes, readInt32, writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import { OPEN_ACL } from '@aviary/protocol';
import { aclListOf, type AclList } from './acl-table.js';
import { STAT_IMAGE_BYTES, StatImageOffset } from './node-digest.js';
import { NO_NODE, NodeKind } from './node-record.js';

const NO_PATH = new Uint8Array(0);
/** Buffers up to this length are kept for the next path: nearly all paths are shorter. */
const PATH_BYTES_KEPT = 256;

const openList = aclListOf(OPEN_ACL);

/**
 * A node as it will be once every transaction that has been made is applied. Created, deleted and
 * changed nodes have one each, and the parents of the first two.
 */
export class PendingNode {
  /**
   * Holds the path in its first `pathLength` bytes. Only of nodes that are created or deleted: the
   * others are found by their number, and their `pathLength` is 0.
   */
  path = NO_PATH;
  pathLength = 0;
  pathHash = 0;
  /** The next with a path in the same chain of the index. */
  nextOfHash: PendingNode | null = null;
  /** The last transaction that touches it. */
  zxid: Zxid = 0;
  exists = false;
  kind: NodeKind = NodeKind.persistent;
  acl: AclList = openList;
  children = 0;
  dataBytes = 0;
  /** Its number in the tree, or NO_NODE while it is not there. */
  node = NO_NODE;
  /** Whether it is in the index: somebody touched it, and not all that touched it is applied. */
  isIndexed = false;
  /** The Stat, in the order in which it is digested. */
  readonly image = new Uint8Array(STAT_IMAGE_BYTES);
  /** Whether it counts in the digest of the tree: nodes below `/zookeeper` do not. */
  isDigested = true;
  digest = 0;
  /** The state of the digest after path and data, once somebody needed it. */
  contentState = 0;
  isContentKnown = false;

  get version(): number {
    return readInt32(this.image, StatImageOffset.version);
  }

  get aversion(): number {
    return readInt32(this.image, StatImageOffset.aversion);
  }

  /** Children ever created, unsigned: the number that a sequential child would get. */
  get childrenCreated(): number {
    return readInt32(this.image, StatImageOffset.childrenCreated) >>> 0;
  }

  setField(offset: number, value: number): void {
    writeInt32(this.image, offset, value);
  }

  setZxid(offset: number, zxid: Zxid): void {
    writeUint53(this.image, offset, zxid);
  }

  /** Remembers the path `bytes[start..end)`, whose hash is `hash`. */
  setPath(hash: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.path.length)
      this.path = new Uint8Array(Math.max(length, PATH_BYTES_KEPT / 4));
    copyBytes(bytes, start, this.path, 0, length);
    this.pathLength = length;
    this.pathHash = hash;
  }

  forgetPath(): void {
    this.pathLength = 0;
    if (this.path.length > PATH_BYTES_KEPT) this.path = NO_PATH;
  }

  hasPath(bytes: Uint8Array, start: number, end: number): boolean {
    const { path, pathLength } = this;
    if (pathLength !== end - start) return false;
    for (let i = pathLength - 1; i >= 0; i--) if (path[i] !== bytes[start + i]) return false;
    return true;
  }

  /** Takes over the state of `other`, but not its place in an index. */
  copy(other: PendingNode): void {
    if (other.pathLength === 0) this.forgetPath();
    else this.setPath(other.pathHash, other.path, 0, other.pathLength);
    this.zxid = other.zxid;
    this.exists = other.exists;
    this.kind = other.kind;
    this.acl = other.acl;
    this.children = other.children;
    this.dataBytes = other.dataBytes;
    this.node = other.node;
    this.isIndexed = other.isIndexed;
    this.image.set(other.image);
    this.isDigested = other.isDigested;
    this.digest = other.digest;
    this.contentState = other.contentState;
    this.isContentKnown = other.isContentKnown;
  }
}
