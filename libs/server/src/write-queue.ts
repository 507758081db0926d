import type { WriteResults } from './write-results.js';

const INITIAL_SLOTS = 1024;

/** Whoever waits for a transaction. */
export interface WriteOwner {
  /** The transaction is durable and applied, `tookMs` after its request; `results` is good for the call. */
  onWritten(type: number, xid: number, results: WriteResults, tookMs: number): void;
}

/** Who waits for which transaction, in the order of the transactions: a ring that grows. */
export class WriteQueue {
  private owners: (WriteOwner | null)[] = new Array<WriteOwner | null>(INITIAL_SLOTS).fill(null);
  private types = new Int32Array(INITIAL_SLOTS);
  private xids = new Int32Array(INITIAL_SLOTS);
  private startedMs = new Float64Array(INITIAL_SLOTS);
  private mask = INITIAL_SLOTS - 1;
  private head = 0;
  private tail = 0;

  get length(): number {
    return this.tail - this.head;
  }

  push(owner: WriteOwner | null, type: number, xid: number, startedMs: number): void {
    if (this.length > this.mask) this.grow();
    const slot = this.tail++ & this.mask;
    this.owners[slot] = owner;
    this.types[slot] = type;
    this.xids[slot] = xid;
    this.startedMs[slot] = startedMs;
  }

  // The first entry:

  get owner(): WriteOwner | null {
    return this.owners[this.head & this.mask];
  }

  get type(): number {
    return this.types[this.head & this.mask];
  }

  get xid(): number {
    return this.xids[this.head & this.mask];
  }

  get started(): number {
    return this.startedMs[this.head & this.mask];
  }

  /** Takes out the first entry. */
  shift(): void {
    this.owners[this.head & this.mask] = null;
    this.head++;
  }

  private grow(): void {
    const count = this.length;
    const slots = (this.mask + 1) * 2;
    const owners = new Array<WriteOwner | null>(slots).fill(null);
    const types = new Int32Array(slots);
    const xids = new Int32Array(slots);
    const startedMs = new Float64Array(slots);
    for (let i = 0; i < count; i++) {
      const slot = (this.head + i) & this.mask;
      owners[i] = this.owners[slot];
      types[i] = this.types[slot];
      xids[i] = this.xids[slot];
      startedMs[i] = this.startedMs[slot];
    }
    this.owners = owners;
    this.types = types;
    this.xids = xids;
    this.startedMs = startedMs;
    this.mask = slots - 1;
    this.head = 0;
    this.tail = count;
  }
}
