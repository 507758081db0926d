import type { PendingNode } from './pending-node.js';

const INITIAL_HEADS = 1024;

/**
 * Pending nodes that the tree has not, by path: a hash table that is chained through the nodes
 * themselves. Every creation looks here, enters here and leaves again; a map keyed by text would make
 * a string of each path, and hash it anew.
 */
export class PendingByPath {
  private heads = emptyHeads(INITIAL_HEADS);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The node with the path `bytes[start..end)`, whose hash is `hash`, or null. */
  get(hash: number, bytes: Uint8Array, start: number, end: number): PendingNode | null {
    let pending = this.heads[hash & (this.heads.length - 1)];
    while (pending !== null) {
      if (pending.pathHash === hash && pending.hasPath(bytes, start, end)) return pending;
      pending = pending.nextOfHash;
    }
    return null;
  }

  /** Enters `pending`, whose path is known and not in the table. */
  add(pending: PendingNode): void {
    if (this.count === this.heads.length) this.grow();
    this.count++;
    this.chain(pending);
  }

  /** Takes out `pending`, which is in the table. */
  remove(pending: PendingNode): void {
    this.count--;
    const slot = pending.pathHash & (this.heads.length - 1);
    let before = this.heads[slot];
    if (before === pending) this.heads[slot] = pending.nextOfHash;
    else {
      while (before !== null && before.nextOfHash !== pending) before = before.nextOfHash;
      if (before !== null) before.nextOfHash = pending.nextOfHash;
    }
    pending.nextOfHash = null;
  }

  clear(): void {
    this.heads = emptyHeads(INITIAL_HEADS);
    this.count = 0;
  }

  forEach(visit: (pending: PendingNode) => void): void {
    for (const head of this.heads) {
      let pending = head;
      while (pending !== null) {
        const next = pending.nextOfHash;
        visit(pending);
        pending = next;
      }
    }
  }

  private chain(pending: PendingNode): void {
    const slot = pending.pathHash & (this.heads.length - 1);
    pending.nextOfHash = this.heads[slot];
    this.heads[slot] = pending;
  }

  private grow(): void {
    const { heads } = this;
    this.heads = emptyHeads(heads.length * 2);
    for (const head of heads) {
      let pending = head;
      while (pending !== null) {
        const next = pending.nextOfHash;
        this.chain(pending);
        pending = next;
      }
    }
  }
}

function emptyHeads(slots: number): (PendingNode | null)[] {
  return new Array<PendingNode | null>(slots).fill(null);
}
