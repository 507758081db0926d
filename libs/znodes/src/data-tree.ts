import { copyBytes, readInt32, writeInt32, type Zxid } from '@aviary/foundation';
import type { WatchEventType } from '@aviary/protocol';
import { READ_ACL } from '@aviary/protocol';
import { AclTable, OPEN_ACL_NUMBER, type AclEntry } from './acl-table.js';
import { isPermitted, type Principal } from './acl-rules.js';
import { standardAuthSchemes, type AuthSchemes } from './auth-schemes.js';
import {
  StatImageOffset,
  digestOfContent,
  digestOfStat,
  isSystemPath,
  STAT_IMAGE_BYTES,
  writeContainerOwner,
  writeTtlOwner,
} from './node-digest.js';
import { DIGEST_KNOWN, NO_NODE, NodeKind, StatOffset, Word } from './node-record.js';
import { NodeStore, ROOT } from './node-store.js';
import { SessionMap } from './session-map.js';
import { TreeDigest } from './tree-digest.js';
import { WatchTable } from './watch-table.js';

const ascii = new TextEncoder();
const NOTHING = new Uint8Array(0);
const statImage = new Uint8Array(STAT_IMAGE_BYTES);
const CONFIG_AVERSION = -1;

/** Options of a {@link DataTree}. */
export interface DataTreeOptions {
  /** Of the path hash: random. */
  readonly seed: number;
  /** Default: `ip` and `digest`, nobody super. */
  readonly schemes?: AuthSchemes;
}

/**
 * The replicated state: nodes, access control lists, sessions and what they own, and the digest
 * over it all; with it the watches of this server, which are not replicated.
 */
export class DataTree {
  readonly nodes: NodeStore;
  readonly acls = new AclTable();
  readonly watches: WatchTable;
  readonly schemes: AuthSchemes;

  /** Timeout in milliseconds of every global session. */
  readonly sessions = new SessionMap<number>();
  /** Ephemeral nodes by the session that owns them. */
  readonly ephemerals = new SessionMap<Set<number>>();
  readonly containers = new Set<number>();
  /** Time to live of every TTL node, in milliseconds. */
  readonly ttls = new Map<number, number>();
  ephemeralCount = 0;

  /** Of the last transaction that was applied. */
  lastZxid: Zxid = 0;
  readonly digest = new TreeDigest();
  /** Whether {@link digest} is that of the tree; while a fuzzy snapshot is replayed it is not. */
  isDigestKnown = false;

  constructor(options: DataTreeOptions) {
    this.schemes = options.schemes ?? standardAuthSchemes();
    this.nodes = new NodeStore(options.seed);
    this.watches = new WatchTable((path) => {
      const bytes = ascii.encode(path);
      return this.nodes.hash(bytes, 0, bytes.length);
    });
    this.nodes.select(ROOT);
    this.nodes.setWord(Word.acl, OPEN_ACL_NUMBER);
  }

  /** A tree with what every new ensemble starts with: `/zookeeper`, its `config` and `quota`. */
  static fresh(options: DataTreeOptions): DataTree {
    const tree = new DataTree(options);
    tree.addSystemNode('/zookeeper', OPEN_ACL_NUMBER);
    tree.addSystemNode('/zookeeper/config', tree.acls.intern(READ_ACL).number);
    tree.addSystemNode('/zookeeper/quota', OPEN_ACL_NUMBER);
    tree.nodes.select(tree.findText('/zookeeper/config'));
    const { nodes } = tree;
    writeInt32(nodes.bytes, nodes.statAt + StatOffset.aversion, CONFIG_AVERSION);
    tree.recomputeDigest();
    return tree;
  }

  private addSystemNode(path: string, acl: number): void {
    const bytes = ascii.encode(path);
    const hash = this.nodes.hash(bytes, 0, bytes.length);
    const node = this.nodes.insert(hash, bytes, 0, bytes.length, NOTHING, 0, 0);
    this.nodes.setWord(Word.acl, acl);
    this.acls.retain(acl);
    this.nodes.link(this.nodes.findParent(bytes, 0, bytes.length), node);
  }

  /** The node with that path, or NO_NODE. For paths in requests use `nodes.find`. */
  findText(path: string): number {
    const bytes = ascii.encode(path);
    return this.nodes.find(bytes, 0, bytes.length);
  }

  /** The access control list of a node; selects the node. */
  aclOf(node: number): AclEntry {
    this.nodes.select(node);
    return this.acls.get(this.nodes.word(Word.acl));
  }

  /** Whether `who` holds any of the bits `wanted` on `node`; selects the node. */
  isAllowed(node: number, wanted: number, who: Principal): boolean {
    const entry = this.aclOf(node);
    if ((entry.worldPerms & wanted) !== 0) return true;
    return isPermitted(this.schemes, entry.acls, wanted, who);
  }

  /** How many nodes lie below `node`, at any depth. */
  countDescendants(node: number): number {
    if (node === ROOT) return this.nodes.size - 1;
    let count = -1;
    this.forEachInSubtree(node, () => count++);
    return count;
  }

  /** Calls `visit` for `node` and all below it, parents first; `visit` must not change the tree. */
  forEachInSubtree(node: number, visit: (node: number) => void): void {
    const waiting = [node];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      visit(next);
      let child = this.nodes.firstChildOf(next);
      for (; child !== NO_NODE; child = this.nodes.nextSiblingOf(child)) waiting.push(child);
    }
  }

  /** Takes a node into the sets of those that go by themselves. The node is selected. */
  register(node: number, kind: NodeKind, ownerHigh: number, ownerLow: number): void {
    if (kind === NodeKind.ephemeral) {
      let owned = this.ephemerals.get(ownerHigh, ownerLow);
      if (owned === undefined) {
        owned = new Set();
        this.ephemerals.set(ownerHigh, ownerLow, owned);
      }
      owned.add(node);
      this.ephemeralCount++;
    } else if (kind === NodeKind.container) {
      this.containers.add(node);
    } else if (kind === NodeKind.ttl) {
      this.ttls.set(node, (ownerHigh & 0xff) * 0x1_0000_0000 + (ownerLow >>> 0));
    }
  }

  /** The contrary of {@link register}; selects the node. */
  unregister(node: number): void {
    this.nodes.select(node);
    const { kind } = this.nodes;
    if (kind === NodeKind.persistent) return;
    this.containers.delete(node);
    this.ttls.delete(node);
    if (kind !== NodeKind.ephemeral) return;
    const ownerAt = this.nodes.statAt + StatOffset.ephemeralOwner;
    const high = readInt32(this.nodes.bytes, ownerAt);
    const low = readInt32(this.nodes.bytes, ownerAt + 4);
    const owned = this.ephemerals.get(high, low);
    if (owned?.delete(node) === true) this.ephemeralCount--;
    if (owned?.size === 0) this.ephemerals.delete(high, low);
  }

  /** Writes the owner of the selected node as it stands on disk; clients see less of it. */
  writeStoredOwner(node: number, to: Uint8Array, at: number): void {
    const { nodes } = this;
    const { kind } = nodes;
    if (kind === NodeKind.container) writeContainerOwner(to, at);
    else if (kind === NodeKind.ttl) writeTtlOwner(to, at, this.ttls.get(node) ?? 0);
    else copyBytes(nodes.bytes, nodes.statAt + StatOffset.ephemeralOwner, to, at, 8);
  }

  /** The digest of a node, from the cache or computed; 0 below `/zookeeper`. Selects the node. */
  digestOf(node: number): number {
    const { nodes } = this;
    nodes.select(node);
    if ((nodes.word(Word.pathAndFlags) & DIGEST_KNOWN) !== 0) return nodes.word(Word.digest) >>> 0;
    const { bytes, pathAt, statAt } = nodes;
    const pathEnd = pathAt + nodes.pathLength;
    let digest = 0;
    if (!isSystemPath(bytes, pathAt, pathEnd)) {
      const content = digestOfContent(bytes, pathAt, pathEnd, bytes, pathEnd + 4, statAt);
      this.fillStatImage(node, statImage);
      digest = digestOfStat(content, statImage);
    }
    nodes.setDigest(digest);
    return digest;
  }

  /** The state of the digest of a node after its path and data; selects the node. */
  contentDigestOf(node: number): number {
    const { nodes } = this;
    nodes.select(node);
    const { bytes, pathAt, statAt } = nodes;
    const pathEnd = pathAt + nodes.pathLength;
    return digestOfContent(bytes, pathAt, pathEnd, bytes, pathEnd + 4, statAt);
  }

  /** Computes the digest of the whole tree anew; returns whether it was what had been kept. */
  recomputeDigest(): boolean {
    const kept = new TreeDigest();
    kept.copy(this.digest);
    this.digest.set(0, 0);
    this.forEachInSubtree(ROOT, (node) => {
      this.nodes.select(node);
      this.nodes.forgetDigest();
      this.digest.add(this.digestOf(node));
    });
    const wasRight = this.isDigestKnown && this.digest.equals(kept.high, kept.low);
    this.isDigestKnown = true;
    return wasRight;
  }

  /** Fills the image of the Stat that is digested; `node` is selected. */
  fillStatImage(node: number, image: Uint8Array): void {
    const { bytes, statAt } = this.nodes;
    copyBytes(bytes, statAt + StatOffset.czxid, image, StatImageOffset.czxid, 16);
    copyBytes(bytes, statAt + StatOffset.pzxid, image, StatImageOffset.pzxid, 8);
    copyBytes(bytes, statAt + StatOffset.ctime, image, StatImageOffset.ctime, 20);
    const created = this.nodes.word(Word.childrenCreated);
    writeInt32(image, StatImageOffset.childrenCreated, created);
    copyBytes(bytes, statAt + StatOffset.aversion, image, StatImageOffset.aversion, 4);
    this.writeStoredOwner(node, image, StatImageOffset.owner);
  }

  // What watchers hear. The filter comes first: most changes concern nobody.

  tellChanged(
    type: WatchEventType,
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    acl: number,
  ): void {
    if (!this.watches.mayConcern(hash)) return;
    const path = WatchTable.textOf(bytes, start, end);
    this.watches.nodeChanged(type, path, this.acls.get(acl), this.lastZxid);
  }

  tellChildrenChanged(parent: number): void {
    const { nodes, watches } = this;
    nodes.select(parent);
    const start = nodes.pathAt;
    const end = start + nodes.pathLength;
    if (!watches.mayConcern(nodes.hash(nodes.bytes, start, end))) return;
    const path = WatchTable.textOf(nodes.bytes, start, end);
    watches.childrenChanged(path, this.aclOf(parent), this.lastZxid);
  }
}
