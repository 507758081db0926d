import { copyBytes, readInt32, zxidFromHalves } from '@aviary/foundation';
import { JuteError, JuteReader } from '@aviary/jute';
import { CONTAINER_OWNER_HIGH, TTL_OWNER_TOP_BYTE } from '@aviary/protocol';
import { aclList } from './acl-table.js';
import type { DataTree } from './data-tree.js';
import { NO_NODE, NodeKind, StatOffset, Word } from './node-record.js';
import { ROOT } from './node-store.js';

const SLASH = 0x2f;
const SESSION_BYTES = 12;
/** Bytes of a node behind its data. */
const FIXED_BYTES = 68;

/** Where the fields of a node stand behind its data. */
const Field = {
  acl: 0,
  czxid: 8,
  childrenCreated: 44,
  aversion: 48,
  owner: 52,
  pzxid: 60,
} as const;

type Part = 'sessionCount' | 'sessions' | 'aclCount' | 'acls' | 'nodes' | 'done';

/**
 * Fills an empty tree from the body of a snapshot, fed in pieces of any size.
 *
 * Takes what every released server writes: fuzzy snapshots, in which a node may stand twice (the
 * later one counts) and may name a list that came too late to be written.
 */
export class TreeLoader {
  private part: Part = 'sessionCount';
  private left = 0;
  private readonly reader = new JuteReader(new Uint8Array(0));
  /** The parent of the node before: most nodes have the same. */
  private parent = NO_NODE;
  private parentLength = 0;
  private parentPath = new Uint8Array(256);
  private aclNumber = 0;
  private aclCounter: { references: number } | null = null;

  /**
   * @param tree As it comes from its constructor: with nothing but a root.
   * @param extendedTypesEnabled Whether an owner with the top byte 0xff means a time to live.
   */
  constructor(
    private readonly tree: DataTree,
    private readonly extendedTypesEnabled: boolean,
  ) {}

  /** Whether the end mark was read. */
  get isDone(): boolean {
    return this.part === 'done';
  }

  /**
   * Takes as much of `bytes[start..end)` as makes whole items; returns where the rest starts, which
   * is to come again with more bytes behind it. Stops behind the end mark.
   *
   * @throws {JuteError} The bytes are no body of a snapshot.
   */
  consume(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (;;) {
      const next = this.consumeItem(bytes, at, end);
      if (next < 0) return at;
      at = next;
      if (this.part === 'done') return at;
    }
  }

  /** Where the item at `at` ends; -1: it is not whole. */
  private consumeItem(bytes: Uint8Array, at: number, end: number): number {
    switch (this.part) {
      case 'sessionCount':
        return this.consumeCount(bytes, at, end, 'sessions');
      case 'sessions':
        return this.consumeSession(bytes, at, end);
      case 'aclCount':
        return this.consumeCount(bytes, at, end, 'acls');
      case 'acls':
        return this.consumeAcl(bytes, at, end);
      default:
        return this.consumeNode(bytes, at, end);
    }
  }

  private consumeCount(bytes: Uint8Array, at: number, end: number, then: Part): number {
    if (end - at < 4) return -1;
    this.left = readInt32(bytes, at);
    if (this.left < 0) throw new JuteError(`negative count ${this.left} of ${then}`);
    this.part = then;
    this.skipFinished();
    return at + 4;
  }

  private skipFinished(): void {
    if (this.left > 0) return;
    if (this.part === 'sessions') this.part = 'aclCount';
    else if (this.part === 'acls') this.part = 'nodes';
  }

  private consumeSession(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < SESSION_BYTES) return -1;
    const timeoutMs = readInt32(bytes, at + 8);
    this.tree.sessions.set(readInt32(bytes, at), readInt32(bytes, at + 4), timeoutMs);
    this.left--;
    this.skipFinished();
    return at + SESSION_BYTES;
  }

  private consumeAcl(bytes: Uint8Array, at: number, end: number): number {
    const reader = this.reader.reset(bytes, at, end);
    try {
      reader.int();
      const number = reader.int();
      const acls = aclList.read(reader);
      this.tree.acls.load(number, acls ?? []);
    } catch (error) {
      // Not whole yet; if more bytes do not help, the end of the file says so.
      if (error instanceof JuteError) return -1;
      throw error;
    }
    this.left--;
    this.skipFinished();
    return reader.position;
  }

  private consumeNode(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < 4) return -1;
    const pathLength = readInt32(bytes, at);
    if (pathLength < 0) throw new JuteError('a node without a path');
    const pathStart = at + 4;
    const pathEnd = pathStart + pathLength;
    if (pathEnd > end) return -1;
    if (pathLength === 1 && bytes[pathStart] === SLASH) {
      this.part = 'done';
      return pathEnd;
    }
    if (end - pathEnd < 4) return -1;
    const dataLength = readInt32(bytes, pathEnd);
    if (dataLength < -1) throw new JuteError(`negative length ${dataLength} of data`);
    const fixedAt = pathEnd + 4 + Math.max(dataLength, 0);
    if (end - fixedAt < FIXED_BYTES) return -1;
    this.addNode(bytes, pathStart, pathEnd, dataLength, fixedAt);
    return fixedAt + FIXED_BYTES;
  }

  private addNode(
    bytes: Uint8Array,
    pathStart: number,
    pathEnd: number,
    dataLength: number,
    fixedAt: number,
  ): void {
    const { nodes } = this.tree;
    const owner = fixedAt + Field.owner;
    const kind = this.kindOf(readInt32(bytes, owner), readInt32(bytes, owner + 4));
    let node = ROOT;
    if (pathEnd === pathStart) {
      nodes.setData(ROOT, bytes, pathEnd + 4, dataLength);
    } else {
      const parent = this.parentOf(bytes, pathStart, pathEnd);
      const hash = nodes.hash(bytes, pathStart, pathEnd);
      node = nodes.findHashed(hash, bytes, pathStart, pathEnd);
      if (node === NO_NODE) {
        const dataAt = pathEnd + 4;
        node = nodes.insert(hash, bytes, pathStart, pathEnd, bytes, dataAt, dataLength, kind);
        nodes.link(parent, node);
      } else {
        this.tree.unregister(node);
        nodes.setData(node, bytes, pathEnd + 4, dataLength);
        nodes.setKind(kind);
      }
    }
    nodes.select(node);
    this.fillFields(bytes, fixedAt, node, kind);
  }

  private fillFields(bytes: Uint8Array, fixedAt: number, node: number, kind: NodeKind): void {
    const { tree } = this;
    const { nodes } = tree;
    for (const field of [Field.czxid, Field.czxid + 8, Field.pzxid]) {
      zxidFromHalves(readInt32(bytes, fixedAt + field), readInt32(bytes, fixedAt + field + 4));
    }
    this.setAcl(readInt32(bytes, fixedAt + 4));
    const { statAt } = nodes;
    copyBytes(bytes, fixedAt + Field.czxid, nodes.bytes, statAt + StatOffset.czxid, 36);
    copyBytes(bytes, fixedAt + Field.aversion, nodes.bytes, statAt + StatOffset.aversion, 4);
    copyBytes(bytes, fixedAt + Field.pzxid, nodes.bytes, statAt + StatOffset.pzxid, 8);
    nodes.setChildrenCreated(readInt32(bytes, fixedAt + Field.childrenCreated));
    nodes.forgetDigest();
    const high = readInt32(bytes, fixedAt + Field.owner);
    const low = readInt32(bytes, fixedAt + Field.owner + 4);
    if (kind === NodeKind.ephemeral) {
      copyBytes(bytes, fixedAt + Field.owner, nodes.bytes, statAt + StatOffset.ephemeralOwner, 8);
    }
    tree.register(node, kind, high, low);
  }

  /** Of the selected node. Its former list, if it stands in the snapshot twice, loses a reference. */
  private setAcl(number: number): void {
    const { nodes, acls } = this.tree;
    const before = nodes.word(Word.acl);
    nodes.setWord(Word.acl, number);
    if (number !== this.aclNumber || this.aclCounter === null) {
      this.aclNumber = number;
      this.aclCounter = acls.has(number) ? acls.get(number) : { references: 0 };
    }
    this.aclCounter.references++;
    if (before !== 0) acls.release(before);
  }

  private kindOf(high: number, low: number): NodeKind {
    if (high === 0 && low === 0) return NodeKind.persistent;
    if (high === CONTAINER_OWNER_HIGH && low === 0) return NodeKind.container;
    const isTtl = high >>> 24 === TTL_OWNER_TOP_BYTE && (high & 0xffff00) === 0;
    return isTtl && this.extendedTypesEnabled ? NodeKind.ttl : NodeKind.ephemeral;
  }

  private parentOf(bytes: Uint8Array, start: number, end: number): number {
    let slash = end - 1;
    while (slash > start && bytes[slash] !== SLASH) slash--;
    const length = slash - start;
    if (this.parent !== NO_NODE && length === this.parentLength) {
      let same = 0;
      while (same < length && this.parentPath[same] === bytes[start + same]) same++;
      if (same === length) return this.parent;
    }
    const parent = this.tree.nodes.findParent(bytes, start, end);
    if (parent === NO_NODE) throw new JuteError('a node stands before its parent');
    this.remember(parent, bytes, start, length);
    return parent;
  }

  private remember(parent: number, bytes: Uint8Array, start: number, length: number): void {
    if (this.parentPath.length < length) this.parentPath = new Uint8Array(length * 2);
    copyBytes(bytes, start, this.parentPath, 0, length);
    this.parent = parent;
    this.parentLength = length;
  }
}
