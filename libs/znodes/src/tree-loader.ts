import { copyBytes, readInt32, writeInt32, zxidFromHalves } from '@aviary/foundation';
import { JuteError, JuteReader } from '@aviary/jute';
import { CONTAINER_OWNER_HIGH, TTL_OWNER_TOP_BYTE } from '@aviary/protocol';
import { OPEN_ACL_NUMBER, aclList, type AclEntry } from './acl-table.js';
import type { DataTree } from './data-tree.js';
import { NO_NODE, NodeKind, PATH_BYTES_MAX, StatOffset, Word } from './node-record.js';
import { ROOT } from './node-store.js';
import { SiblingRun } from './sibling-run.js';

const SLASH = 0x2f;
const OPEN_HALF = -1;
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
  private aclEntry: AclEntry | null = null;
  private readonly siblings: SiblingRun;

  /**
   * @param tree As it comes from its constructor: with nothing but a root.
   * @param extendedTypesEnabled Whether an owner with the top byte 0xff means a time to live.
   */
  constructor(
    private readonly tree: DataTree,
    private readonly extendedTypesEnabled: boolean,
  ) {
    this.siblings = new SiblingRun(tree.nodes);
  }

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
    const aclEnd = endOfAcls(bytes, at + 8, end);
    if (aclEnd < 0) return -1;
    const number = aclNumber(bytes, at);
    if (number < 1) throw new JuteError(`access control list ${number} stands in a snapshot`);
    if (this.tree.acls.has(number))
      throw new JuteError(`access control list ${number} comes twice`);
    const acls = aclList.read(this.reader.reset(bytes, at + 8, aclEnd));
    this.tree.acls.load(number, acls ?? []);
    this.left--;
    this.skipFinished();
    return aclEnd;
  }

  private consumeNode(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < 4) return -1;
    const pathLength = readInt32(bytes, at);
    if (pathLength < 0) throw new JuteError('a node without a path');
    const pathStart = at + 4;
    const pathEnd = pathStart + pathLength;
    if (pathEnd > end) return -1;
    if (pathLength === 1 && bytes[pathStart] === SLASH) {
      this.siblings.end();
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
    let kind = this.kindOf(readInt32(bytes, owner), readInt32(bytes, owner + 4));
    let node = ROOT;
    if (pathEnd === pathStart) {
      nodes.setData(ROOT, bytes, pathEnd + 4, dataLength);
      kind = NodeKind.persistent;
    } else {
      const parent = this.parentOf(bytes, pathStart, pathEnd);
      const hash = nodes.hash(bytes, pathStart, pathEnd);
      node = nodes.findHashed(hash, bytes, pathStart, pathEnd);
      if (node === NO_NODE) {
        const dataAt = pathEnd + 4;
        node = nodes.insert(hash, bytes, pathStart, pathEnd, bytes, dataAt, dataLength, kind);
        this.siblings.add(parent, node);
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
    this.setAcl(aclNumber(bytes, fixedAt));
    const { statAt } = nodes;
    // In a snapshot and in a Stat these stand alike, from the czxid to the aversion.
    copyBytes(bytes, fixedAt + Field.czxid, nodes.bytes, statAt + StatOffset.czxid, 44);
    copyBytes(bytes, fixedAt + Field.pzxid, nodes.bytes, statAt + StatOffset.pzxid, 8);
    nodes.setChildrenCreated(readInt32(bytes, fixedAt + Field.childrenCreated));
    nodes.forgetDigest();
    const high = readInt32(bytes, fixedAt + Field.owner);
    const low = readInt32(bytes, fixedAt + Field.owner + 4);
    const isOwned = kind === NodeKind.ephemeral;
    writeInt32(nodes.bytes, statAt + StatOffset.ephemeralOwner, isOwned ? high : 0);
    writeInt32(nodes.bytes, statAt + StatOffset.ephemeralOwner + 4, isOwned ? low : 0);
    tree.register(node, kind, high, low);
  }

  /** Of the selected node. Its former list, if it stands in the snapshot twice, loses a reference. */
  private setAcl(number: number): void {
    const { nodes, acls } = this.tree;
    const before = nodes.word(Word.acl);
    nodes.setWord(Word.acl, number);
    if (number !== this.aclNumber || this.aclEntry === null) {
      this.aclNumber = number;
      this.aclEntry = acls.has(number) ? acls.get(number) : null;
    }
    if (this.aclEntry === null) acls.retain(number);
    else this.aclEntry.references++;
    if (before !== 0) acls.releaseKeeping(before);
  }

  private kindOf(high: number, low: number): NodeKind {
    if (high === 0 && low === 0) return NodeKind.persistent;
    if (high === CONTAINER_OWNER_HIGH && low === 0) return NodeKind.container;
    const isTtl = high >>> 24 === TTL_OWNER_TOP_BYTE && (high & 0xffff00) === 0;
    return isTtl && this.extendedTypesEnabled ? NodeKind.ttl : NodeKind.ephemeral;
  }

  private parentOf(bytes: Uint8Array, start: number, end: number): number {
    const isNamed = bytes[start] === SLASH && bytes[end - 1] !== SLASH;
    if (!isNamed || end - start > PATH_BYTES_MAX) throw new JuteError('a node without a good path');
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

/** The number of a list, which has 64 bits there. */
function aclNumber(bytes: Uint8Array, at: number): number {
  const high = readInt32(bytes, at);
  const low = readInt32(bytes, at + 4);
  const isOpen = high === OPEN_HALF && low === OPEN_ACL_NUMBER;
  if (!isOpen && (high !== 0 || low < 0)) {
    throw new JuteError('the number of an access control list has more than 31 bits');
  }
  return low;
}

/**
 * Where the vector of ACL at `at` ends; -1: it is not whole.
 *
 * @throws {JuteError} However many bytes follow, it is none.
 */
function endOfAcls(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 4) return -1;
  const count = readInt32(bytes, at);
  if (count < -1) throw new JuteError(`negative count ${count} of an access control list`);
  let next = at + 4;
  for (let i = 0; i < count; i++) {
    next += 4;
    for (let text = 0; text < 2; text++) {
      if (end - next < 4) return -1;
      const length = readInt32(bytes, next);
      if (length < 0) throw new JuteError('an access control list with an id that is null');
      next += 4 + length;
    }
  }
  return next > end ? -1 : next;
}
