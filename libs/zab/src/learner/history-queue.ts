import type { Zxid } from '@aviary/foundation';
import { succeeds } from '../synchronisation/succession.js';
import type { HistoryEntry } from './learner-io.js';

/**
 * What a learner was sent of the leader's history and has not logged yet, and how much of it is
 * committed.
 *
 * Proposals that are not committed stay until they are, also across NEWLEADER (ZOOKEEPER-4394).
 */
export class HistoryQueue<Transaction> {
  private entries: HistoryEntry<Transaction>[] = [];
  private committedCount = 0;
  private lastSeen: Zxid;
  private committedZxid: Zxid;

  /**
   * The history behind `base` is there already. `isSnapshot`: `base` is the zxid of a snapshot, which
   * may contain some of what is sent again.
   */
  constructor(
    private readonly base: Zxid,
    private readonly isSnapshot: boolean,
  ) {
    this.lastSeen = base;
    this.committedZxid = base;
  }

  /** The last committed transaction; `base` at first. */
  get committed(): Zxid {
    return this.committedZxid;
  }

  /** Notes a proposal. False: it does not follow what was there, something is missing. */
  add(zxid: Zxid, transaction: Transaction): boolean {
    const isFirst = this.lastSeen === this.base;
    const isRepeated = this.isSnapshot && zxid <= this.base;
    if (!succeeds(zxid, this.lastSeen) && !(isFirst && isRepeated)) return false;
    this.lastSeen = zxid;
    if (!isRepeated) this.entries.push({ zxid, transaction });
    return true;
  }

  /** Notes a commit. False: it is not for the first proposal that is not committed. */
  commit(zxid: Zxid): boolean {
    if (this.isSnapshot && zxid <= this.base) return true;
    if (this.entries[this.committedCount]?.zxid !== zxid) return false;
    this.committedCount++;
    this.committedZxid = zxid;
    return true;
  }

  /** Notes a committed transaction, which may have been proposed before. False as in {@link add}. */
  inform(zxid: Zxid, transaction: Transaction): boolean {
    if (this.entries[this.committedCount]?.zxid === zxid) return this.commit(zxid);
    return this.add(zxid, transaction) && this.commit(zxid);
  }

  /** Takes out what is committed. */
  takeCommitted(): readonly HistoryEntry<Transaction>[] {
    const taken = this.entries.splice(0, this.committedCount);
    this.committedCount = 0;
    return taken;
  }

  /** Takes out what is not; what is committed is to be taken before. */
  takeProposed(): readonly HistoryEntry<Transaction>[] {
    const taken = this.entries;
    this.entries = [];
    return taken;
  }
}
