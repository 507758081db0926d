import { copyBytes, writeInt32, type Zxid } from '@aviary/foundation';
import { JuteWriter } from '@aviary/jute';
import type { DataTree } from './data-tree.js';
import { NO_NODE, StatOffset, Word } from './node-record.js';
import { ROOT, type ChangeObserver } from './node-store.js';
import { TreeDigest } from './tree-digest.js';

/** Bytes of a node on disk beside its path and data. */
const NODE_FIXED_BYTES = 4 + 4 + 8 + 32 + 12 + 8 + 8;
const CHUNK_SLACK_BYTES = 64 * 1024;

/**
 * The tree as it was at one zxid, written out a piece at a time while the tree goes on changing.
 *
 * A node that is about to change or to go, and was not yet written, is written first, as it still
 * is; nodes that come later are left out. So the bytes are those of one moment, no copy of the tree
 * is held, and no request waits for more than one piece. (The reference writes nodes as it finds
 * them and repairs the mixture by replaying the log.) Parents are written before their children.
 *
 * What is written is the body of a snapshot file, and of the SNAP message between servers: sessions,
 * access control lists, nodes, end mark.
 */
export class TreeSnapshot implements ChangeObserver {
  /** The transaction after which the tree was as it is written. */
  readonly zxid: Zxid;
  /** The digest of the tree then. */
  readonly digest = new TreeDigest();

  /**
   * For each number that there was at the start: 0 while its node is still to be written. A number
   * that goes to another node meanwhile was free then, or was written before its node went.
   */
  private readonly written: Uint8Array;
  private readonly writer: JuteWriter;
  private cursor = 0;
  private isDone = false;
  private isGivenUp = false;
  private readonly ancestors: number[] = [];

  /**
   * Starts a snapshot of `tree`; there may be one at a time. Sessions and access control lists are
   * taken at once.
   *
   * @param chunkBytes About how long the pieces get.
   */
  constructor(
    private readonly tree: DataTree,
    private readonly chunkBytes: number,
  ) {
    this.zxid = tree.lastZxid;
    this.digest.copy(tree.digest);
    this.written = new Uint8Array(tree.nodes.numberLimit);
    tree.nodes.forEachFreeNumber((node) => (this.written[node] = 1));
    this.writer = new JuteWriter(chunkBytes + CHUNK_SLACK_BYTES);
    this.writeSessions();
    this.writeAcls();
    tree.nodes.observer = this;
  }

  /**
   * The next piece, or null after the last. The bytes are good until the next call.
   */
  next(): Uint8Array | null {
    const { written, writer } = this;
    if (this.isGivenUp) throw new Error('the snapshot was given up before its end');
    if (this.isDone) return null;
    while (writer.position < this.chunkBytes && this.cursor < written.length) {
      if (written[this.cursor] === 0) this.writeWithAncestors(this.cursor);
      this.cursor++;
    }
    if (this.cursor === written.length) {
      writer.ustring('/');
      this.isDone = true;
      this.close();
    }
    const piece = writer.take();
    writer.clear();
    return piece;
  }

  /** Ends the snapshot. One that was not finished has no next piece: asking for it throws. */
  close(): void {
    this.isGivenUp = !this.isDone;
    if (this.tree.nodes.observer === this) this.tree.nodes.observer = null;
  }

  beforeChange(node: number): void {
    if (node < this.written.length && this.written[node] === 0) this.writeWithAncestors(node);
  }

  private writeWithAncestors(node: number): void {
    const { nodes } = this.tree;
    const { ancestors } = this;
    ancestors.length = 0;
    for (let at = node; at !== NO_NODE && this.written[at] === 0;) {
      ancestors.push(at);
      nodes.select(at);
      at = nodes.word(Word.parent);
    }
    for (let i = ancestors.length - 1; i >= 0; i--) this.writeNode(ancestors[i]);
  }

  private writeNode(node: number): void {
    const { tree, writer } = this;
    const { nodes } = tree;
    this.written[node] = 1;
    nodes.select(node);
    const { bytes, pathAt, statAt } = nodes;
    const pathBytes = node === ROOT ? 0 : nodes.pathLength;
    const valueAt = nodes.valueAt;
    let at = writer.reserve(pathBytes + (statAt - valueAt - 4) + NODE_FIXED_BYTES);
    const out = writer.bytes;
    writeInt32(out, at, pathBytes);
    copyBytes(bytes, pathAt, out, at + 4, pathBytes);
    at += 4 + pathBytes;
    copyBytes(bytes, valueAt, out, at, statAt - valueAt);
    at += statAt - valueAt;
    const acl = nodes.word(Word.acl);
    writeInt32(out, at, acl >> 31);
    writeInt32(out, at + 4, acl);
    copyBytes(bytes, statAt + StatOffset.czxid, out, at + 8, 36);
    writeInt32(out, at + 44, nodes.word(Word.childrenCreated));
    copyBytes(bytes, statAt + StatOffset.aversion, out, at + 48, 4);
    tree.writeStoredOwner(node, out, at + 52);
    copyBytes(bytes, statAt + StatOffset.pzxid, out, at + 60, 8);
  }

  private writeSessions(): void {
    const { sessions } = this.tree;
    this.writer.int(sessions.size);
    sessions.forEach((timeoutMs, high, low) => {
      this.writer.int(high);
      this.writer.int(low);
      this.writer.int(timeoutMs);
    });
  }

  private writeAcls(): void {
    const { writer } = this;
    const countAt = writer.reserve(4);
    let count = 0;
    for (const entry of this.tree.acls.entries()) {
      writer.int(0);
      writer.int(entry.number);
      writer.raw(entry.bytes);
      count++;
    }
    writer.intAt(countAt, count);
  }
}
