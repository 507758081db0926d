/** What a {@link PathIndex} asks about the nodes whose numbers it holds. */
export interface PathKeys {
  /** Whether the path of `node` is `bytes[start..end)`. */
  hasPath(node: number, bytes: Uint8Array, start: number, end: number): boolean;
}

const INITIAL_SLOTS = 1024;
/** Slots of the old table that one insertion moves: the move ends long before the next growth. */
const SLOTS_MOVED_PER_INSERT = 64;

/** Pairs of words: the hash, and the number of the node plus one; 0 in the second: empty. */
function emptyTable(slots: number): Int32Array {
  return new Int32Array(slots * 2);
}

/**
 * A hash table from paths to node numbers, that holds only numbers.
 *
 * Open addressing with linear probing. It grows without a stall: a table twice as large is laid
 * beside the old one and every insertion moves some whole runs of the old one over, so that no
 * single request pays for a million entries.
 */
export class PathIndex {
  private table = emptyTable(INITIAL_SLOTS);
  private mask = INITIAL_SLOTS - 1;
  private count = 0;
  /** The table that is being emptied, or null. Its slots below `moveAt` are empty. */
  private oldTable: Int32Array | null = null;
  private moveAt = 0;
  private readonly keys: PathKeys;

  constructor(keys: PathKeys) {
    this.keys = keys;
  }

  get size(): number {
    return this.count;
  }

  /** The node with that path, or -1. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const found = this.probe(this.table, this.mask, hash, bytes, start, end);
    if (found >= 0 || this.oldTable === null) return found;
    const oldMask = (this.oldTable.length >>> 1) - 1;
    return this.probe(this.oldTable, oldMask, hash, bytes, start, end);
  }

  /** Adds a node whose path is not yet in the index. */
  insert(hash: number, node: number): void {
    if (this.oldTable !== null) this.moveSome();
    else if (this.count * 10 > this.mask * 7) this.grow();
    place(this.table, this.mask, hash, node + 1);
    this.count++;
  }

  /** Takes out `node`, which is in the index under `hash`. */
  remove(hash: number, node: number): void {
    this.count--;
    if (removeFrom(this.table, this.mask, hash, node + 1)) return;
    if (this.oldTable !== null) {
      removeFrom(this.oldTable, (this.oldTable.length >>> 1) - 1, hash, node + 1);
    }
  }

  private probe(
    table: Int32Array,
    mask: number,
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = table[slot * 2 + 1];
      if (entry === 0) return -1;
      if (table[slot * 2] === hash && this.keys.hasPath(entry - 1, bytes, start, end)) {
        return entry - 1;
      }
    }
  }

  private grow(): void {
    this.oldTable = this.table;
    this.moveAt = 0;
    this.mask = this.mask * 2 + 1;
    this.table = emptyTable(this.mask + 1);
  }

  /**
   * Moves whole runs only: a slot is emptied together with all that follow it up to the next empty
   * one, because a probe of the old table must never meet a gap that was not there before.
   */
  private moveSome(): void {
    const old = this.oldTable;
    if (old === null) return;
    const slots = old.length >>> 1;
    const goal = Math.min(this.moveAt + SLOTS_MOVED_PER_INSERT, slots);
    let at = this.moveAt;
    while (at < slots && (at < goal || old[at * 2 + 1] !== 0)) {
      const entry = old[at * 2 + 1];
      if (entry !== 0) {
        place(this.table, this.mask, old[at * 2], entry);
        old[at * 2 + 1] = 0;
      }
      at++;
    }
    this.moveAt = at;
    if (at === slots) this.oldTable = null;
  }
}

function place(table: Int32Array, mask: number, hash: number, entry: number): void {
  let slot = hash & mask;
  while (table[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
  table[slot * 2] = hash;
  table[slot * 2 + 1] = entry;
}

function removeFrom(table: Int32Array, mask: number, hash: number, entry: number): boolean {
  let slot = hash & mask;
  for (; ; slot = (slot + 1) & mask) {
    const found = table[slot * 2 + 1];
    if (found === 0) return false;
    if (found === entry && table[slot * 2] === hash) break;
  }
  closeGap(table, mask, slot);
  return true;
}

/** Moves back what stands behind an emptied slot, so that no probe ends early there. */
function closeGap(table: Int32Array, mask: number, emptied: number): void {
  let gap = emptied;
  for (let at = (gap + 1) & mask; table[at * 2 + 1] !== 0; at = (at + 1) & mask) {
    const home = table[at * 2] & mask;
    const isReachable = ((at - home) & mask) < ((at - gap) & mask);
    if (isReachable) continue;
    table[gap * 2] = table[at * 2];
    table[gap * 2 + 1] = table[at * 2 + 1];
    gap = at;
  }
  table[gap * 2 + 1] = 0;
}
