import { assert, type Zxid } from '@aviary/foundation';
import { succeeds } from './succession.js';

/** How much a {@link CommittedLog} remembers. */
export interface CommittedLogLimits {
  /** `zookeeper.commitLogCount`: ZooKeeper keeps 500. */
  readonly entriesMax: number;
  /** Sum of the bytes of all entries. The newest entry stays, however big it is. */
  readonly bytesMax: number;
}

/** The zxids of the last committed transactions, ascending and without holes. */
export interface CommittedWindow {
  readonly length: number;
  /** `index` is from 0, the oldest, to `length` - 1. */
  zxidAt(index: number): Zxid;
}

/**
 * The last committed transactions, from which learners are brought up to date without the disk.
 *
 * Invariant: every entry {@link succeeds} the one before. A transaction that does not follow empties
 * the log first, so that no learner is ever sent a history with a hole (ZOOKEEPER-4925).
 */
export class CommittedLog<Entry> implements CommittedWindow {
  private zxids: Float64Array;
  private entries: (Entry | undefined)[];
  private sizes: Float64Array;
  private head = 0;
  private count = 0;
  private bytes = 0;

  constructor(private readonly limits: CommittedLogLimits) {
    assert(limits.entriesMax >= 1, 'a committed log holds at least one entry');
    this.zxids = new Float64Array(limits.entriesMax);
    this.sizes = new Float64Array(limits.entriesMax);
    this.entries = new Array<Entry | undefined>(limits.entriesMax).fill(undefined);
  }

  get length(): number {
    return this.count;
  }

  zxidAt(index: number): Zxid {
    return this.zxids[this.slotOf(index)];
  }

  entryAt(index: number): Entry {
    assert(index >= 0 && index < this.count, 'the committed log has the entry');
    return this.entries[this.slotOf(index)] as Entry;
  }

  /** The place of the first entry after `zxid`; `length` when there is none. */
  indexAfter(zxid: Zxid): number {
    return firstIndexFrom(this, zxid + 1);
  }

  /** Adds a transaction that was just committed; its zxid is beyond all others. */
  add(zxid: Zxid, entry: Entry, byteLength: number): void {
    if (this.count > 0) {
      const last = this.zxidAt(this.count - 1);
      assert(zxid > last, 'transactions are committed in order');
      if (!succeeds(zxid, last)) this.clear();
    }
    const { entriesMax, bytesMax } = this.limits;
    this.bytes += byteLength;
    while (this.count > 0 && (this.count >= entriesMax || this.bytes > bytesMax)) this.shift();
    const slot = this.slotOf(this.count++);
    this.zxids[slot] = zxid;
    this.sizes[slot] = byteLength;
    this.entries[slot] = entry;
  }

  /** Forgets everything: the history was replaced. */
  clear(): void {
    while (this.count > 0) this.shift();
  }

  private shift(): void {
    this.entries[this.head] = undefined;
    this.bytes -= this.sizes[this.head];
    this.head = (this.head + 1) % this.limits.entriesMax;
    this.count--;
  }

  private slotOf(index: number): number {
    return (this.head + index) % this.limits.entriesMax;
  }
}

/** The place of the first entry that is `zxid` or later; `length` when there is none. */
export function firstIndexFrom(window: CommittedWindow, zxid: Zxid): number {
  let from = 0;
  let to = window.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (window.zxidAt(middle) < zxid) from = middle + 1;
    else to = middle;
  }
  return from;
}
