import { assert, copyBytes, readInt32, writeInt32 } from '@aviary/foundation';
import { Arena, offsetOf, slabOf } from './arena.js';
import {
  DIGEST_KNOWN,
  HEADER_BYTES,
  KIND_MASK,
  KIND_SHIFT,
  NO_NODE,
  NodeKind,
  PATH_LENGTH_MASK,
  STAT_BYTES,
  StatOffset,
  Word,
  recordBytes,
} from './node-record.js';
import { hashPath } from './path-hash.js';
import { PathIndex, type PathKeys } from './path-index.js';

const SLASH = 0x2f;
const INITIAL_NODES = 1024;
const utf8 = new TextDecoder();

/** The number of the root node. */
export const ROOT = 0;

/** Hears of a node just before it changes or goes. */
export interface ChangeObserver {
  beforeChange(node: number): void;
}

/**
 * The znodes: packed records, an index by path, and the links between parents and children.
 *
 * A node is a small number, good until the node is removed. {@link select} puts the cursor on a
 * node: `bytes`, `words` and `at` are then its record, until the next call that selects, inserts,
 * removes or sets data. This class keeps structure only; what an operation means is decided above.
 */
export class NodeStore implements PathKeys {
  /** The slab that holds the selected record, and where in it the record starts, in bytes. */
  bytes: Uint8Array = new Uint8Array(0);
  words: Int32Array = new Int32Array(0);
  at = 0;

  /** Sees every change, for a snapshot that is being taken; at most one. */
  observer: ChangeObserver | null = null;

  /** Sum of the lengths of all paths and data: `approximate_data_size`. */
  contentBytes = 0;

  private readonly arena = new Arena();
  private readonly index: PathIndex;
  private readonly seed: number;
  /** Address of each node's record; of an unused number: the next unused one. */
  private addresses = new Uint32Array(INITIAL_NODES);
  private numbersUsed = 0;
  private freeNumber = NO_NODE;

  /** @param seed Of the path hash; random, so that nobody can prepare colliding paths. */
  constructor(seed: number) {
    this.seed = seed | 0;
    this.index = new PathIndex(this);
    const path = Uint8Array.of(SLASH);
    const root = this.insert(this.hash(path, 0, 1), path, 0, 1, path, 0, 0);
    assert(root === ROOT, 'the root is the first node');
  }

  /** How many nodes there are, the root included. */
  get size(): number {
    return this.index.size;
  }

  /** One more than the greatest number that a node has. */
  get numberLimit(): number {
    return this.numbersUsed;
  }

  /** Calls `visit` for every number below the limit that no node has. */
  forEachFreeNumber(visit: (node: number) => void): void {
    for (let node = this.freeNumber; node !== NO_NODE; node = this.addresses[node] | 0) visit(node);
  }

  hash(bytes: Uint8Array, start: number, end: number): number {
    return hashPath(this.seed, bytes, start, end);
  }

  /** The node with the path `bytes[start..end)`, or {@link NO_NODE}. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.index.find(hashPath(this.seed, bytes, start, end), bytes, start, end);
  }

  /** As {@link find}, with the hash of the path. */
  findHashed(hash: number, bytes: Uint8Array, start: number, end: number): number {
    return this.index.find(hash, bytes, start, end);
  }

  /** The parent of the path `bytes[start..end)`, or {@link NO_NODE}; for the root too. */
  findParent(bytes: Uint8Array, start: number, end: number): number {
    let slash = end - 1;
    while (slash >= start && bytes[slash] !== SLASH) slash--;
    if (slash < start || end - start <= 1) return NO_NODE;
    return slash === start ? ROOT : this.find(bytes, start, slash);
  }

  hasPath(node: number, bytes: Uint8Array, start: number, end: number): boolean {
    const address = this.addresses[node];
    const record = this.arena.slabs[slabOf(address)];
    const words = this.arena.slabWords[slabOf(address)];
    const offset = offsetOf(address);
    const length = words[offset >>> 2] & PATH_LENGTH_MASK;
    if (length !== end - start) return false;
    const pathAt = offset + HEADER_BYTES;
    // Paths that hash alike differ, if at all, most likely at the end.
    for (let i = length - 1; i >= 0; i--) {
      if (record[pathAt + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  /** Puts the cursor on `node`. */
  select(node: number): void {
    const address = this.addresses[node];
    const slab = slabOf(address);
    this.bytes = this.arena.slabs[slab];
    this.words = this.arena.slabWords[slab];
    this.at = offsetOf(address);
  }

  // Of the selected node:

  word(offset: number): number {
    return this.words[(this.at >>> 2) + offset];
  }

  setWord(offset: number, value: number): void {
    this.words[(this.at >>> 2) + offset] = value;
  }

  get pathLength(): number {
    return this.words[this.at >>> 2] & PATH_LENGTH_MASK;
  }

  get pathAt(): number {
    return this.at + HEADER_BYTES;
  }

  get kind(): NodeKind {
    return ((this.words[this.at >>> 2] >>> KIND_SHIFT) & KIND_MASK) as NodeKind;
  }

  /** Where the value starts: data length, data, Stat. */
  get valueAt(): number {
    return this.at + HEADER_BYTES + this.pathLength;
  }

  /** Bytes of the data; null counts as 0. */
  get dataBytes(): number {
    const length = readInt32(this.bytes, this.valueAt);
    return length < 0 ? 0 : length;
  }

  get statAt(): number {
    const valueAt = this.valueAt;
    const length = readInt32(this.bytes, valueAt);
    return valueAt + 4 + (length < 0 ? 0 : length);
  }

  /** Bytes of data length, data and Stat. */
  get valueBytes(): number {
    return 4 + this.dataBytes + STAT_BYTES;
  }

  setKind(kind: NodeKind): void {
    const first = this.at >>> 2;
    this.words[first] = (this.words[first] & ~(KIND_MASK << KIND_SHIFT)) | (kind << KIND_SHIFT);
  }

  /** Says that the cached digest of the selected node is good no more. */
  forgetDigest(): void {
    this.words[this.at >>> 2] &= ~DIGEST_KNOWN;
  }

  /** Caches the digest of the selected node. */
  setDigest(digest: number): void {
    const first = this.at >>> 2;
    this.words[first + Word.digest] = digest | 0;
    this.words[first] |= DIGEST_KNOWN;
  }

  // Of any node; these select it:

  pathOf(node: number): string {
    this.select(node);
    const start = this.pathAt;
    return utf8.decode(this.bytes.subarray(start, start + this.pathLength));
  }

  firstChildOf(node: number): number {
    this.select(node);
    return this.word(Word.firstChild);
  }

  nextSiblingOf(node: number): number {
    this.select(node);
    return this.word(Word.nextSibling);
  }

  /**
   * Adds a node that is linked to no parent, with a Stat of zeros but for the data length, and
   * selects it. `dataLength` -1: null.
   */
  insert(
    hash: number,
    path: Uint8Array,
    pathStart: number,
    pathEnd: number,
    data: Uint8Array,
    dataStart: number,
    dataLength: number,
    kind: NodeKind = NodeKind.persistent,
  ): number {
    const pathLength = pathEnd - pathStart;
    const dataBytes = dataLength < 0 ? 0 : dataLength;
    const node = this.takeNumber(this.arena.allocate(recordBytes(pathLength, dataBytes)));
    this.select(node);
    this.writeHeader(pathLength | (kind << KIND_SHIFT));
    const { bytes, pathAt } = this;
    const valueAt = pathAt + pathLength;
    if (path === data && dataStart === pathEnd + 4) {
      // In transactions and snapshots they stand as they will here: one copy will do.
      copyBytes(path, pathStart, bytes, pathAt, pathLength + 4 + dataBytes);
    } else {
      copyBytes(path, pathStart, bytes, pathAt, pathLength);
      copyBytes(data, dataStart, bytes, valueAt + 4, dataBytes);
    }
    writeInt32(bytes, valueAt, dataLength);
    const statAt = valueAt + 4 + dataBytes;
    // A call of `fill` costs several times as much.
    for (let at = statAt; at < statAt + STAT_BYTES; at++) bytes[at] = 0;
    writeInt32(bytes, statAt + StatOffset.dataLength, dataBytes);
    this.index.insert(hash, node);
    this.contentBytes += pathLength + dataBytes;
    return node;
  }

  /** Makes `child` a child of `parent` and counts it in the parent's Stat. */
  link(parent: number, child: number): void {
    this.observer?.beforeChange(parent);
    this.select(parent);
    const next = this.word(Word.firstChild);
    this.setWord(Word.firstChild, child);
    this.addToChildCount(1);
    if (next !== NO_NODE) {
      this.select(next);
      this.setWord(Word.previousSibling, child);
    }
    this.select(child);
    this.setWord(Word.parent, parent);
    this.setWord(Word.nextSibling, next);
    this.setWord(Word.previousSibling, NO_NODE);
  }

  /** Removes a node that has no children, from its parent too. */
  remove(node: number): void {
    this.observer?.beforeChange(node);
    this.unlink(node);
    this.select(node);
    const pathAt = this.pathAt;
    const pathLength = this.pathLength;
    const dataBytes = this.dataBytes;
    this.index.remove(this.hash(this.bytes, pathAt, pathAt + pathLength), node);
    this.arena.free(this.addresses[node], recordBytes(pathLength, dataBytes));
    this.contentBytes -= pathLength + dataBytes;
    this.addresses[node] = this.freeNumber;
    this.freeNumber = node;
  }

  /** Replaces the data and its length in the Stat; selects the node. `dataLength` -1: null. */
  setData(node: number, data: Uint8Array, dataStart: number, dataLength: number): void {
    this.observer?.beforeChange(node);
    this.select(node);
    const pathLength = this.pathLength;
    const oldBytes = this.dataBytes;
    const newBytes = dataLength < 0 ? 0 : dataLength;
    if (oldBytes !== newBytes) this.resizeValue(node, pathLength, oldBytes, newBytes);
    this.writeValue(data, dataStart, dataLength);
    writeInt32(this.bytes, this.statAt + StatOffset.dataLength, newBytes);
    this.contentBytes += newBytes - oldBytes;
    this.forgetDigest();
  }

  /** Sets the number of children ever created, and the cversion of the Stat that follows from it. */
  setChildrenCreated(count: number): void {
    this.setWord(Word.childrenCreated, count | 0);
    this.refreshCversion();
  }

  private refreshCversion(): void {
    const statAt = this.statAt;
    const children = readInt32(this.bytes, statAt + StatOffset.numChildren);
    const cversion = (2 * this.word(Word.childrenCreated) - children) | 0;
    writeInt32(this.bytes, statAt + StatOffset.cversion, cversion);
  }

  /** Counts children of the selected node that came or went. */
  addToChildCount(change: number): void {
    const at = this.statAt + StatOffset.numChildren;
    writeInt32(this.bytes, at, readInt32(this.bytes, at) + change);
    this.refreshCversion();
    this.forgetDigest();
  }

  private writeHeader(pathAndFlags: number): void {
    const { words } = this;
    const first = this.at >>> 2;
    words[first + Word.pathAndFlags] = pathAndFlags;
    words[first + Word.parent] = NO_NODE;
    words[first + Word.firstChild] = NO_NODE;
    words[first + Word.nextSibling] = NO_NODE;
    words[first + Word.previousSibling] = NO_NODE;
    words[first + Word.acl] = 0;
    words[first + Word.digest] = 0;
    words[first + Word.childrenCreated] = 0;
  }

  private writeValue(data: Uint8Array, dataStart: number, dataLength: number): void {
    const valueAt = this.valueAt;
    writeInt32(this.bytes, valueAt, dataLength);
    if (dataLength > 0) copyBytes(data, dataStart, this.bytes, valueAt + 4, dataLength);
  }

  /** Gives the selected record room for other data and moves its Stat behind it. */
  private resizeValue(node: number, pathLength: number, oldBytes: number, newBytes: number): void {
    const oldLength = recordBytes(pathLength, oldBytes);
    const newLength = recordBytes(pathLength, newBytes);
    const dataAt = this.valueAt + 4;
    if (Arena.capacityFor(oldLength) === Arena.capacityFor(newLength)) {
      const statAt = dataAt + oldBytes;
      this.bytes.copyWithin(dataAt + newBytes, statAt, statAt + STAT_BYTES);
    } else {
      const { bytes, at } = this;
      const oldAddress = this.addresses[node];
      this.addresses[node] = this.arena.allocate(newLength);
      this.select(node);
      copyBytes(bytes, at, this.bytes, this.at, dataAt - at);
      const newStatAt = this.at + (dataAt - at) + newBytes;
      copyBytes(bytes, dataAt + oldBytes, this.bytes, newStatAt, STAT_BYTES);
      this.arena.free(oldAddress, oldLength);
    }
    // The Stat stands where the new length says: keep both in step for whoever reads in between.
    writeInt32(this.bytes, this.valueAt, newBytes);
  }

  private unlink(node: number): void {
    this.select(node);
    const parent = this.word(Word.parent);
    const next = this.word(Word.nextSibling);
    const previous = this.word(Word.previousSibling);
    if (next !== NO_NODE) {
      this.select(next);
      this.setWord(Word.previousSibling, previous);
    }
    if (previous !== NO_NODE) {
      this.select(previous);
      this.setWord(Word.nextSibling, next);
    }
    if (parent === NO_NODE) return;
    this.observer?.beforeChange(parent);
    this.select(parent);
    if (previous === NO_NODE) this.setWord(Word.firstChild, next);
    this.addToChildCount(-1);
  }

  private takeNumber(address: number): number {
    if (this.freeNumber !== NO_NODE) {
      const node = this.freeNumber;
      this.freeNumber = this.addresses[node] | 0;
      this.addresses[node] = address;
      return node;
    }
    const node = this.numbersUsed++;
    if (node === this.addresses.length) {
      const grown = new Uint32Array(node * 2);
      grown.set(this.addresses);
      this.addresses = grown;
    }
    this.addresses[node] = address;
    return node;
  }
}
