import { copyBytes, readInt32, writeInt32, zxidFromHalves, type Zxid } from '@aviary/foundation';
import { JuteError, JuteReader } from '@aviary/jute';
import {
  CONTAINER_OWNER_HIGH,
  DIGEST_VERSION,
  ErrorCode,
  OpCode,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
  WatchEventType,
} from '@aviary/protocol';
import type { DataTree } from './data-tree.js';
import { NO_NODE, NodeKind, StatOffset, Word } from './node-record.js';
import { ROOT } from './node-store.js';
import type { QuotaKeeper } from './quota.js';
import { ttlOwnerHigh } from './node-digest.js';
import {
  createParts,
  isGreater64,
  readCreateParts,
  skipAcls,
  skipBuffer,
  skipString,
} from './transaction-parts.js';

/** Hears the result of every operation of a transaction while the tree is as it left it. */
export interface ResultSink {
  /** The node whose path is `bytes[start..end)` was created. */
  created(type: number, node: number, bytes: Uint8Array, start: number, end: number): void;
  /** The Stat of the node changed: setData, setACL. */
  changed(type: number, node: number): void;
  /** Done, with nothing to show: delete, check, closeSession, createSession. */
  done(type: number): void;
  failed(code: number): void;
}

/** Hears nothing. */
export const noResults: ResultSink = {
  created() {},
  changed() {},
  done() {},
  failed() {},
};

/** What to do about the digest of the tree. */
export type DigestMode =
  /** Keep it up by the digests of the nodes that change, and compare it with the transaction's. */
  | 'verify'
  /** Take over the transaction's: it was computed here, when the transaction was made. */
  | 'trust';

/** Where the fields of a transaction's header start. */
const HeaderOffset = { session: 0, cxid: 8, zxid: 12, time: 20, type: 28 } as const;

/**
 * Applies transactions to a tree: those just committed, those in the log after a crash, and those
 * of a leader. The one place where state changes, so that all three give the same tree.
 *
 * Applying is idempotent where a fuzzy snapshot needs it: what the snapshot already shows is not an
 * error, and versions, counters and pzxids only move forward.
 */
export class TransactionApplier {
  /** Transactions whose digest was not that of the tree. */
  digestMismatches = 0;

  private readonly reader = new JuteReader(new Uint8Array(0));
  private readonly subReader = new JuteReader(new Uint8Array(0));
  private bytes: Uint8Array = new Uint8Array(0);
  private headerAt = 0;
  private keepsDigest = false;

  constructor(
    private readonly tree: DataTree,
    private readonly quotas: QuotaKeeper,
  ) {}

  /**
   * Applies the transaction `bytes[start..end)`: header, record, perhaps a digest.
   *
   * @returns Its zxid.
   * @throws {JuteError} The bytes are no transaction. The tree is of no use then, it may be in
   * between: the caller must stop.
   */
  apply(
    bytes: Uint8Array,
    start: number,
    end: number,
    mode: DigestMode,
    sink: ResultSink = noResults,
  ): Zxid {
    if (end - start < TXN_HEADER_BYTES) throw new JuteError('transaction without a whole header');
    const { tree, reader } = this;
    this.bytes = bytes;
    this.headerAt = start;
    this.keepsDigest = mode === 'verify' && tree.isDigestKnown;
    const zxidAt = start + HeaderOffset.zxid;
    const zxid = zxidFromHalves(readInt32(bytes, zxidAt), readInt32(bytes, zxidAt + 4));
    const type = readInt32(bytes, start + HeaderOffset.type);
    reader.reset(bytes, start + TXN_HEADER_BYTES, end);
    // Watchers are told while the change is made; what they see must carry this zxid.
    tree.lastZxid = Math.max(tree.lastZxid, zxid);
    if (type === OpCode.multi) this.applyMulti(reader, sink);
    else this.applyOne(type, reader, sink);
    if (reader.remaining >= TXN_DIGEST_BYTES) this.settleDigest(mode);
    return zxid;
  }

  private settleDigest(mode: DigestMode): void {
    const { tree, reader } = this;
    reader.int();
    const high = reader.int();
    const low = reader.int();
    if (mode === 'trust') tree.digest.set(high, low);
    else if (this.keepsDigest && !tree.digest.equals(high, low)) this.digestMismatches++;
  }

  private applyOne(type: number, reader: JuteReader, sink: ResultSink): void {
    switch (type) {
      case OpCode.create:
      case OpCode.create2:
      case OpCode.createTTL:
      case OpCode.createContainer:
        return this.applyCreate(type, reader, sink);
      case OpCode.delete:
      case OpCode.deleteContainer:
        return this.applyDelete(type, reader, sink);
      case OpCode.setData:
      case OpCode.reconfig:
        return this.applySetData(type, reader, sink);
      case OpCode.setACL:
        return this.applySetAcl(type, reader, sink);
      case OpCode.check:
        skipString(reader);
        reader.int();
        return sink.done(type);
      case OpCode.createSession:
        return this.applyCreateSession(reader, sink);
      case OpCode.closeSession:
        return this.applyCloseSession(reader, sink);
      case OpCode.error:
        return sink.failed(reader.int());
      default:
        throw new JuteError(`unknown transaction type ${type}`);
    }
  }

  private applyMulti(reader: JuteReader, sink: ResultSink): void {
    const start = reader.position;
    const count = reader.count(8);
    let isFailed = false;
    for (let i = 0; i < count; i++) {
      if (reader.int() === OpCode.error) isFailed = true;
      skipBuffer(reader);
    }
    const end = reader.position;
    reader.position = start + 4;
    for (let i = 0; i < count; i++) {
      const type = reader.int();
      const length = skipBuffer(reader);
      this.subReader.reset(reader.bytes, reader.position - Math.max(length, 0), reader.position);
      if (!isFailed) this.applyOne(type, this.subReader, sink);
      else sink.failed(type === OpCode.error ? this.subReader.int() : ErrorCode.ok);
    }
    reader.position = end;
  }

  private applyCreate(type: number, reader: JuteReader, sink: ResultSink): void {
    const parts = createParts;
    const { tree, bytes } = this;
    const { nodes } = tree;
    readCreateParts(reader, type, parts);
    const { pathStart, pathEnd } = parts;
    const parent = nodes.findParent(bytes, pathStart, pathEnd);
    if (parent === NO_NODE) return sink.failed(ErrorCode.noNode);
    const acl = tree.acls.internBytes(bytes, parts.aclStart, parts.aclEnd).number;
    const hash = nodes.hash(bytes, pathStart, pathEnd);
    const existing = nodes.findHashed(hash, bytes, pathStart, pathEnd);
    if (existing !== NO_NODE) {
      this.replaceAcl(existing, acl);
      this.countCreation(parent, parts.parentCVersion, false);
      return sink.failed(ErrorCode.nodeExists);
    }
    const kind = this.kindOf(type, parts.isEphemeral);
    const node = nodes.insert(
      hash,
      bytes,
      pathStart,
      pathEnd,
      bytes,
      parts.dataStart,
      parts.dataLength,
      kind,
    );
    nodes.setWord(Word.acl, acl);
    tree.acls.retain(acl);
    this.stampCreation(kind);
    this.registerOwner(node, kind);
    this.beginChange(parent);
    nodes.link(parent, node);
    this.countCreation(parent, parts.parentCVersion, true);
    this.endChange(parent);
    this.endChange(node);
    this.quotas.created(bytes, pathStart, pathEnd, node);
    tree.tellChanged(WatchEventType.nodeCreated, hash, bytes, pathStart, pathEnd, acl);
    tree.tellChildrenChanged(parent);
    sink.created(type, node, bytes, pathStart, pathEnd);
  }

  private kindOf(type: number, isEphemeral: boolean): NodeKind {
    if (type === OpCode.createContainer) return NodeKind.container;
    if (type === OpCode.createTTL) return NodeKind.ttl;
    return isEphemeral ? NodeKind.ephemeral : NodeKind.persistent;
  }

  /** Fills the Stat of the selected, new node from the header. */
  private stampCreation(kind: NodeKind): void {
    const { bytes, statAt } = this.tree.nodes;
    const zxidAt = this.headerAt + HeaderOffset.zxid;
    const timeAt = this.headerAt + HeaderOffset.time;
    copyBytes(this.bytes, zxidAt, bytes, statAt + StatOffset.czxid, 8);
    copyBytes(this.bytes, zxidAt, bytes, statAt + StatOffset.mzxid, 8);
    copyBytes(this.bytes, zxidAt, bytes, statAt + StatOffset.pzxid, 8);
    copyBytes(this.bytes, timeAt, bytes, statAt + StatOffset.ctime, 8);
    copyBytes(this.bytes, timeAt, bytes, statAt + StatOffset.mtime, 8);
    if (kind !== NodeKind.ephemeral) return;
    const sessionAt = this.headerAt + HeaderOffset.session;
    copyBytes(this.bytes, sessionAt, bytes, statAt + StatOffset.ephemeralOwner, 8);
  }

  private registerOwner(node: number, kind: NodeKind): void {
    const { tree, bytes, headerAt } = this;
    if (kind === NodeKind.persistent) return;
    if (kind === NodeKind.container) {
      tree.register(node, kind, CONTAINER_OWNER_HIGH, 0);
    } else if (kind === NodeKind.ttl) {
      const { ttlHigh, ttlLow } = createParts;
      const ttlMs = ttlHigh * 0x1_0000_0000 + (ttlLow >>> 0);
      tree.register(node, kind, ttlOwnerHigh(ttlMs), ttlLow);
    } else {
      tree.register(node, kind, readInt32(bytes, headerAt), readInt32(bytes, headerAt + 4));
    }
  }

  /** Moves the parent's counter and pzxid to what the transaction says, never back. */
  private countCreation(parent: number, parentCVersion: number, isNew: boolean): void {
    const { nodes } = this.tree;
    nodes.select(parent);
    const counted = nodes.word(Word.childrenCreated) >>> 0;
    const target = parentCVersion === -1 ? counted + (isNew ? 1 : 0) : parentCVersion >>> 0;
    if (target <= counted) return;
    if (!isNew) {
      this.beginChange(parent);
      nodes.observer?.beforeChange(parent);
      nodes.select(parent);
    }
    nodes.setChildrenCreated(target);
    this.stamp(StatOffset.pzxid);
    nodes.forgetDigest();
    if (!isNew) this.endChange(parent);
  }

  /** Writes the transaction's zxid into a field of the selected node's Stat. */
  private stamp(field: number): void {
    const { bytes, statAt } = this.tree.nodes;
    copyBytes(this.bytes, this.headerAt + HeaderOffset.zxid, bytes, statAt + field, 8);
  }

  private applyDelete(type: number, reader: JuteReader, sink: ResultSink): void {
    const length = skipString(reader);
    const isRemoved = this.removePath(reader.position - length, reader.position);
    if (isRemoved) sink.done(type);
    else sink.failed(ErrorCode.noNode);
  }

  /** Removes the node at a path in the transaction; false if it was not there. */
  private removePath(start: number, end: number): boolean {
    const { tree, bytes } = this;
    const { nodes } = tree;
    const parent = nodes.findParent(bytes, start, end);
    const hash = nodes.hash(bytes, start, end);
    const node = nodes.findHashed(hash, bytes, start, end);
    if (node === ROOT) return false;
    if (parent !== NO_NODE) this.beginChange(parent);
    if (node !== NO_NODE) this.removeNode(node, hash, start, end);
    if (parent !== NO_NODE) {
      this.advancePzxid(parent);
      this.endChange(parent);
      if (node !== NO_NODE) tree.tellChildrenChanged(parent);
    }
    return node !== NO_NODE;
  }

  private removeNode(node: number, hash: number, start: number, end: number): void {
    const { tree, bytes } = this;
    const { nodes } = tree;
    this.dropDescendants(node);
    nodes.select(node);
    const acl = nodes.word(Word.acl);
    this.quotas.deleting(bytes, start, end, node);
    tree.acls.retain(acl);
    this.dropNode(node);
    tree.tellChanged(WatchEventType.nodeDeleted, hash, bytes, start, end, acl);
    tree.acls.release(acl);
  }

  /** Only the replay over a fuzzy snapshot meets some: their own creation is still to come. */
  private dropDescendants(top: number): void {
    const { nodes } = this.tree;
    for (let node = top; ;) {
      const child = nodes.firstChildOf(node);
      if (child !== NO_NODE) {
        node = child;
        continue;
      }
      if (node === top) return;
      const parent = nodes.word(Word.parent);
      this.quotas.deleting(nodes.bytes, nodes.pathAt, nodes.pathAt + nodes.pathLength, node);
      this.dropNode(node);
      node = parent;
    }
  }

  private dropNode(node: number): void {
    const { tree } = this;
    tree.nodes.observer?.beforeChange(node);
    this.beginChange(node);
    tree.unregister(node);
    tree.nodes.select(node);
    tree.acls.release(tree.nodes.word(Word.acl));
    tree.nodes.remove(node);
  }

  private advancePzxid(parent: number): void {
    const { nodes } = this.tree;
    nodes.observer?.beforeChange(parent);
    nodes.select(parent);
    const zxidAt = this.headerAt + HeaderOffset.zxid;
    if (!isGreater64(this.bytes, zxidAt, nodes.bytes, nodes.statAt + StatOffset.pzxid)) return;
    this.stamp(StatOffset.pzxid);
    nodes.forgetDigest();
  }

  private applySetData(type: number, reader: JuteReader, sink: ResultSink): void {
    const { tree, bytes } = this;
    const { nodes } = tree;
    const pathLength = skipString(reader);
    const pathStart = reader.position - pathLength;
    const pathEnd = reader.position;
    const dataLength = skipBuffer(reader);
    const dataStart = reader.position - Math.max(dataLength, 0);
    const version = reader.int();
    const hash = nodes.hash(bytes, pathStart, pathEnd);
    const node = nodes.findHashed(hash, bytes, pathStart, pathEnd);
    if (node === NO_NODE) return sink.failed(ErrorCode.noNode);
    this.quotas.settingData(bytes, pathStart, pathEnd, node, Math.max(dataLength, 0));
    this.beginChange(node);
    nodes.setData(node, bytes, dataStart, dataLength);
    const { statAt } = nodes;
    writeInt32(nodes.bytes, statAt + StatOffset.version, version);
    this.stamp(StatOffset.mzxid);
    copyBytes(bytes, this.headerAt + HeaderOffset.time, nodes.bytes, statAt + StatOffset.mtime, 8);
    this.endChange(node);
    nodes.select(node);
    const acl = nodes.word(Word.acl);
    tree.tellChanged(WatchEventType.nodeDataChanged, hash, bytes, pathStart, pathEnd, acl);
    sink.changed(type, node);
  }

  private applySetAcl(type: number, reader: JuteReader, sink: ResultSink): void {
    const { tree, bytes } = this;
    const { nodes } = tree;
    const pathLength = skipString(reader);
    const node = nodes.find(bytes, reader.position - pathLength, reader.position);
    const aclStart = reader.position;
    skipAcls(reader);
    const aclEnd = reader.position;
    const aversion = reader.int();
    if (node === NO_NODE) return sink.failed(ErrorCode.noNode);
    this.beginChange(node);
    this.replaceAcl(node, tree.acls.internBytes(bytes, aclStart, aclEnd).number);
    writeInt32(nodes.bytes, nodes.statAt + StatOffset.aversion, aversion);
    nodes.forgetDigest();
    this.endChange(node);
    sink.changed(type, node);
  }

  /** Selects the node. The list does not count in the digest. */
  private replaceAcl(node: number, acl: number): void {
    const { nodes, acls } = this.tree;
    nodes.observer?.beforeChange(node);
    nodes.select(node);
    const before = nodes.word(Word.acl);
    acls.retain(acl);
    nodes.setWord(Word.acl, acl);
    acls.release(before);
  }

  private applyCreateSession(reader: JuteReader, sink: ResultSink): void {
    const { tree, bytes, headerAt } = this;
    tree.sessions.set(readInt32(bytes, headerAt), readInt32(bytes, headerAt + 4), reader.int());
    sink.done(OpCode.createSession);
  }

  private applyCloseSession(reader: JuteReader, sink: ResultSink): void {
    const { tree, bytes, headerAt } = this;
    const high = readInt32(bytes, headerAt);
    const low = readInt32(bytes, headerAt + 4);
    const count = this.hasPathList(reader) ? reader.count(4) : 0;
    for (let i = 0; i < count; i++) {
      const length = skipString(reader);
      this.removePath(reader.position - length, reader.position);
    }
    this.removeOwned(high, low);
    tree.sessions.delete(high, low);
    sink.done(OpCode.closeSession);
  }

  /**
   * Servers with closeSessionTxn off, and old ones, write no list. Then nothing follows, or only a
   * digest; a list of the same length starts with a count of 1, a digest with its version 2.
   */
  private hasPathList(reader: JuteReader): boolean {
    if (reader.remaining === TXN_DIGEST_BYTES) {
      return readInt32(reader.bytes, reader.position) !== DIGEST_VERSION;
    }
    return reader.remaining > 0;
  }

  /** Removes what a session still owns: only for transactions without a list, or a wrong one. */
  private removeOwned(high: number, low: number): void {
    const owned = this.tree.ephemerals.get(high, low);
    if (owned === undefined) return;
    for (const node of [...owned]) {
      const { nodes } = this.tree;
      nodes.select(node);
      this.removeElsewhere(nodes.bytes.slice(nodes.pathAt, nodes.pathAt + nodes.pathLength));
    }
  }

  /** As {@link removePath}, for a path that does not stand in the transaction. */
  private removeElsewhere(path: Uint8Array): void {
    const header = this.bytes.subarray(this.headerAt, this.headerAt + TXN_HEADER_BYTES);
    const joined = new Uint8Array(TXN_HEADER_BYTES + path.length);
    joined.set(header);
    joined.set(path, TXN_HEADER_BYTES);
    const headerAt = this.headerAt;
    const bytes = this.bytes;
    this.bytes = joined;
    this.headerAt = 0;
    this.removePath(TXN_HEADER_BYTES, joined.length);
    this.bytes = bytes;
    this.headerAt = headerAt;
  }

  // The digest: a node leaves the sum before it changes and enters it again afterwards.

  private beginChange(node: number): void {
    if (this.keepsDigest) this.tree.digest.subtract(this.tree.digestOf(node));
  }

  private endChange(node: number): void {
    this.tree.nodes.select(node);
    this.tree.nodes.forgetDigest();
    if (this.keepsDigest) this.tree.digest.add(this.tree.digestOf(node));
  }
}
