import { readInt32, type Zxid } from '@aviary/foundation';
import type { DataTree } from './data-tree.js';
import { digestOfContent, digestOfStat, isSystemPath } from './node-digest.js';
import { NO_NODE, StatOffset } from './node-record.js';
import { PendingByNumber } from './pending-by-number.js';
import { PendingByPath } from './pending-by-path.js';
import { PendingNode } from './pending-node.js';
import { PendingUsage } from './pending-usage.js';
import { TreeDigest } from './tree-digest.js';

/** What a multi did to a node: its state before, null when nothing was outstanding for it. */
interface Undo {
  readonly pending: PendingNode;
  readonly before: PendingNode | null;
}

/**
 * The difference between the tree and the tree as it will be: what transactions that are made but
 * not yet applied have changed. New transactions are checked against both.
 */
export class OutstandingChanges {
  /** The digest of the tree after the newest transaction. */
  readonly digest = new TreeDigest();
  /** What quotas do not count yet. */
  readonly usage = new PendingUsage();

  /** By number, for nodes that the tree has; by path, for those that it has not. */
  private readonly byNode = new PendingByNumber();
  private readonly byPath = new PendingByPath();
  /** Every touch in zxid order, to know when a node's last transaction is applied. */
  private readonly touched: PendingNode[] = [];
  private readonly touchedZxids: Zxid[] = [];
  private touchedHead = 0;
  private touchedEnd = 0;
  private readonly pool: PendingNode[] = [];
  private undo: Undo[] | null = null;
  private readonly digestBeforeMulti = new TreeDigest();
  private usageBeforeMulti = 0;

  constructor(private readonly tree: DataTree) {
    this.digest.copy(tree.digest);
  }

  /** Nodes that have outstanding changes. */
  get size(): number {
    return this.byNode.size + this.byPath.size;
  }

  /** Drops everything, because the transactions will never be applied. */
  clear(): void {
    this.byNode.clear();
    this.byPath.clear();
    this.touchedHead = 0;
    this.touchedEnd = 0;
    this.undo = null;
    this.usage.clear();
    this.digest.copy(this.tree.digest);
  }

  /**
   * The node at a path as it will be; null if it will not exist. Changing it is announced by
   * {@link touch} before and {@link settle} after.
   */
  find(bytes: Uint8Array, start: number, end: number): PendingNode | null {
    const { nodes } = this.tree;
    const hash = nodes.hash(bytes, start, end);
    const node = nodes.findHashed(hash, bytes, start, end);
    if (node === NO_NODE) {
      const created = this.byPath.get(hash, bytes, start, end);
      return created?.exists === true ? created : null;
    }
    const pending = this.byNode.get(node);
    if (pending === undefined) return this.fromTree(node);
    return pending.exists ? pending : null;
  }

  /**
   * What {@link find} would find; if it is nothing, the place of a node that is to be created there,
   * which does not exist yet. Touch that next.
   */
  place(bytes: Uint8Array, start: number, end: number): PendingNode {
    const { nodes } = this.tree;
    const hash = nodes.hash(bytes, start, end);
    const node = nodes.findHashed(hash, bytes, start, end);
    if (node !== NO_NODE) return this.byNode.get(node) ?? this.fromTree(node);
    const gone = this.byPath.get(hash, bytes, start, end);
    if (gone !== null) return gone;
    const fresh = this.pool.pop() ?? new PendingNode();
    fresh.setPath(hash, bytes, start, end);
    fresh.exists = false;
    fresh.node = NO_NODE;
    fresh.isDigested = !isSystemPath(bytes, start, end);
    return fresh;
  }

  /** Says that `pending`, at that path, will be deleted or created: its number will not last. */
  name(pending: PendingNode, bytes: Uint8Array, start: number, end: number): void {
    if (pending.pathLength > 0) return;
    pending.setPath(this.tree.nodes.hash(bytes, start, end), bytes, start, end);
  }

  /** The path of a node that was given one, or that the tree has. */
  pathOf(pending: PendingNode): Uint8Array {
    if (pending.pathLength > 0) return pending.path.slice(0, pending.pathLength);
    const { nodes } = this.tree;
    nodes.select(pending.node);
    return nodes.bytes.slice(nodes.pathAt, nodes.pathAt + nodes.pathLength);
  }

  /** Says that the transaction `zxid` changes `pending`; it leaves the digest until settled. */
  touch(pending: PendingNode, zxid: Zxid): void {
    if (this.undo !== null) {
      const before = pending.isIndexed ? new PendingNode() : null;
      before?.copy(pending);
      this.undo.push({ pending, before });
    }
    if (!pending.isIndexed) this.index(pending);
    if (pending.exists && pending.isDigested) this.digest.subtract(pending.digest);
    pending.zxid = zxid;
    const end = this.touchedEnd++;
    this.touched[end] = pending;
    this.touchedZxids[end] = zxid;
  }

  /** Says that `pending` is as the transaction leaves it: it enters the digest again. */
  settle(pending: PendingNode): void {
    if (!pending.exists || !pending.isDigested) return;
    if (!pending.isContentKnown) {
      pending.contentState = this.tree.contentDigestOf(pending.node);
      pending.isContentKnown = true;
    }
    pending.digest = digestOfStat(pending.contentState, pending.image);
    this.digest.add(pending.digest);
  }

  /** Gives `pending` other data. */
  setContent(
    pending: PendingNode,
    path: Uint8Array,
    pathStart: number,
    pathEnd: number,
    data: Uint8Array,
    dataStart: number,
    dataBytes: number,
  ): void {
    pending.dataBytes = dataBytes;
    if (!pending.isDigested) return;
    const dataEnd = dataStart + dataBytes;
    pending.contentState = digestOfContent(path, pathStart, pathEnd, data, dataStart, dataEnd);
    pending.isContentKnown = true;
  }

  /** From here on every touch can be taken back by {@link rollBack}. */
  beginMulti(): void {
    this.undo = [];
    this.digestBeforeMulti.copy(this.digest);
    this.usageBeforeMulti = this.usage.mark;
  }

  commitMulti(): void {
    this.undo = null;
  }

  /** Takes back what was touched since {@link beginMulti}; outside of a multi nothing. */
  rollBack(): void {
    const { undo } = this;
    if (undo === null) return;
    this.undo = null;
    for (const { pending, before } of undo.reverse()) {
      this.touchedEnd--;
      if (before === null) this.unindex(pending);
      else pending.copy(before);
    }
    this.digest.copy(this.digestBeforeMulti);
    this.usage.rollBack(this.usageBeforeMulti);
  }

  /**
   * Says that the tree now shows every transaction up to `zxid`, and none behind it. It must be said
   * before anything else is asked: numbers of nodes that came or went have changed hands.
   */
  applied(zxid: Zxid): void {
    const { touched, touchedZxids, touchedEnd } = this;
    if (this.usage.mark > 0) this.usage.applied(zxid);
    let head = this.touchedHead;
    for (; head < touchedEnd && touchedZxids[head] <= zxid; head++) {
      const pending = touched[head];
      if (!pending.isIndexed) continue;
      if (pending.zxid <= zxid) this.retire(pending);
      else if (pending.pathLength > 0) this.indexAnew(pending);
    }
    this.touchedHead = head;
    if (head === touchedEnd) {
      this.touchedHead = 0;
      this.touchedEnd = 0;
    } else if (head > 1024 && head * 2 > touchedEnd) {
      touched.copyWithin(0, head, touchedEnd);
      touchedZxids.copyWithin(0, head, touchedEnd);
      this.touchedEnd -= head;
      this.touchedHead = 0;
    }
  }

  /** Calls `visit` for every node with outstanding changes. */
  forEach(visit: (pending: PendingNode) => void): void {
    this.byNode.forEach(visit);
    this.byPath.forEach(visit);
  }

  /** What is outstanding for a node of the tree, or undefined. */
  pendingOf(node: number): PendingNode | undefined {
    return this.byNode.get(node);
  }

  private index(pending: PendingNode): void {
    pending.isIndexed = true;
    if (pending.node === NO_NODE) this.byPath.add(pending);
    else this.byNode.add(pending);
  }

  private unindex(pending: PendingNode): void {
    pending.isIndexed = false;
    if (pending.node === NO_NODE) this.byPath.remove(pending);
    else this.byNode.remove(pending);
  }

  /** The tree shows the last change of `pending`. It also gets the digest that was computed for it. */
  private retire(pending: PendingNode): void {
    this.unindex(pending);
    if (pending.node !== NO_NODE && pending.pathLength === 0) {
      this.tree.nodes.select(pending.node);
      this.tree.nodes.setDigest(pending.digest);
    }
    pending.forgetPath();
    this.pool.push(pending);
  }

  /** The node came or went, and more is outstanding for its path: its number is another now. */
  private indexAnew(pending: PendingNode): void {
    this.unindex(pending);
    const { path, pathHash, pathLength } = pending;
    pending.node = this.tree.nodes.findHashed(pathHash, path, 0, pathLength);
    this.index(pending);
  }

  private fromTree(node: number): PendingNode {
    const { tree } = this;
    const pending = this.pool.pop() ?? new PendingNode();
    pending.exists = true;
    pending.node = node;
    pending.isContentKnown = false;
    pending.acl = tree.aclOf(node);
    const { nodes } = tree;
    pending.kind = nodes.kind;
    pending.dataBytes = nodes.dataBytes;
    pending.children = readInt32(nodes.bytes, nodes.statAt + StatOffset.numChildren);
    tree.fillStatImage(node, pending.image);
    const start = nodes.pathAt;
    pending.isDigested = !isSystemPath(nodes.bytes, start, start + nodes.pathLength);
    pending.digest = tree.digestOf(node);
    return pending;
  }
}
