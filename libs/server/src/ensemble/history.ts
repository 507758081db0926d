import { assert, copyBytes, type Zxid } from '@aviary/foundation';
import type { CommittedWindow } from '@aviary/zab';

const SLAB_BYTES = 1 << 20;
const FREE_SLABS_MAX = 4;
const INITIAL_ENTRIES = 1024;

/** How much a {@link History} remembers of what is applied. */
export interface HistoryLimits {
  /** `zookeeper.commitLogCount`: ZooKeeper keeps 500. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/**
 * The newest transactions, in the order of their zxids: those that were applied last, from which
 * learners are brought up to date without the disk, and behind them those that are not applied yet.
 *
 * Their bytes are copied into slabs, so that a transaction outlives the batch in which it was logged
 * and nothing is allocated for it.
 */
export class History implements CommittedWindow {
  /** The bytes that {@link select} found: `bytes[start..end)`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  private zxids = new Float64Array(INITIAL_ENTRIES);
  private slabs: (Uint8Array | null)[] = new Array<Uint8Array | null>(INITIAL_ENTRIES).fill(null);
  private starts = new Int32Array(INITIAL_ENTRIES);
  private ends = new Int32Array(INITIAL_ENTRIES);
  private mask = INITIAL_ENTRIES - 1;
  /** Entries are counted from the beginning of time; slots are their lowest bits. */
  private first = 0;
  private firstPending = 0;
  private next = 0;
  private appliedBytes = 0;

  private filling: Uint8Array = new Uint8Array(SLAB_BYTES);
  private filled = 0;
  private readonly freeSlabs: Uint8Array[] = [];

  constructor(private readonly limits: HistoryLimits) {}

  // What is applied, as CommittedWindow:

  get length(): number {
    return this.firstPending - this.first;
  }

  zxidAt(index: number): Zxid {
    return this.zxids[(this.first + index) & this.mask];
  }

  /** Transactions that are not applied yet. */
  get pending(): number {
    return this.next - this.firstPending;
  }

  /** The zxid of the oldest transaction that is not applied; there is one. */
  get pendingZxid(): Zxid {
    return this.zxids[this.firstPending & this.mask];
  }

  /** The zxid of the newest transaction, or null. */
  get lastZxid(): Zxid | null {
    return this.next === this.first ? null : this.zxids[(this.next - 1) & this.mask];
  }

  /** Applied and pending transactions together. */
  get size(): number {
    return this.next - this.first;
  }

  /** Adds `bytes[start..end)`, the transaction `zxid`, which is newer than all others. */
  append(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    if (this.next - this.first > this.mask) this.grow();
    const length = end - start;
    const slab = this.slabFor(length);
    copyBytes(bytes, start, slab, this.filled, length);
    const slot = this.next++ & this.mask;
    this.zxids[slot] = zxid;
    this.slabs[slot] = slab;
    this.starts[slot] = this.filled;
    this.ends[slot] = this.filled + length;
    this.filled += length;
  }

  /** Finds the bytes of an entry; `index` counts from the oldest, applied or not. */
  select(index: number): void {
    const slot = (this.first + index) & this.mask;
    this.bytes = this.slabs[slot] ?? this.bytes;
    this.start = this.starts[slot];
    this.end = this.ends[slot];
  }

  /** Finds the bytes of the oldest transaction that is not applied. */
  selectPending(): void {
    this.select(this.length);
  }

  /** The place of the first entry after `zxid`, applied or not; `size` when there is none. */
  indexAfter(zxid: Zxid): number {
    let from = 0;
    let to = this.size;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.zxidAt(middle) <= zxid) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /**
   * The oldest pending transaction is applied. What is older than the limits is forgotten, unless it
   * was committed after `keepAfter`: somebody has still to be sent it.
   */
  settle(keepAfter: Zxid): void {
    assert(this.pending > 0, 'a transaction is pending that is applied');
    const slot = this.firstPending++ & this.mask;
    this.appliedBytes += this.ends[slot] - this.starts[slot];
    while (this.isOverLimits() && this.zxids[this.first & this.mask] <= keepAfter) this.forget();
  }

  /** Forgets everything: the history was replaced. */
  clear(): void {
    while (this.first < this.firstPending) this.forget();
    for (; this.first < this.next; this.first++) this.slabs[this.first & this.mask] = null;
    this.firstPending = this.first;
  }

  private isOverLimits(): boolean {
    const { entriesMax, bytesMax } = this.limits;
    return this.length > entriesMax || (this.appliedBytes > bytesMax && this.length > 1);
  }

  private forget(): void {
    const slot = this.first++ & this.mask;
    const slab = this.slabs[slot];
    this.appliedBytes -= this.ends[slot] - this.starts[slot];
    this.slabs[slot] = null;
    const isLast = this.first === this.next || this.slabs[this.first & this.mask] !== slab;
    if (slab !== null && isLast && slab !== this.filling) this.recycle(slab);
  }

  private slabFor(length: number): Uint8Array {
    if (this.filled + length <= this.filling.length) return this.filling;
    this.filling =
      length > SLAB_BYTES
        ? new Uint8Array(length)
        : (this.freeSlabs.pop() ?? new Uint8Array(SLAB_BYTES));
    this.filled = 0;
    return this.filling;
  }

  private recycle(slab: Uint8Array): void {
    if (slab.length === SLAB_BYTES && this.freeSlabs.length < FREE_SLABS_MAX) {
      this.freeSlabs.push(slab);
    }
  }

  private grow(): void {
    const slots = (this.mask + 1) * 2;
    const zxids = new Float64Array(slots);
    const slabs = new Array<Uint8Array | null>(slots).fill(null);
    const starts = new Int32Array(slots);
    const ends = new Int32Array(slots);
    for (let entry = this.first; entry < this.next; entry++) {
      const from = entry & this.mask;
      const to = entry & (slots - 1);
      zxids[to] = this.zxids[from];
      slabs[to] = this.slabs[from];
      starts[to] = this.starts[from];
      ends[to] = this.ends[from];
    }
    this.zxids = zxids;
    this.slabs = slabs;
    this.starts = starts;
    this.ends = ends;
    this.mask = slots - 1;
  }
}
