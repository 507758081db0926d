import { Agreement } from './agreement.js';
import type { Violation } from './violation.js';

/**
 * Zab's promises about leaders: an epoch has one that serves, and it has everything that was ever
 * committed before.
 */
export class Leadership {
  private readonly epochs = new Agreement('an epoch has one leader', (epoch) => `epoch ${epoch}`);
  private readonly lost: Violation[] = [];
  private committed = 0;
  private committedAt = '';
  private newestEpoch = 0;

  get violations(): readonly Violation[] {
    return [...this.epochs.violations, ...this.lost];
  }

  /** The last transaction that anybody is known to have served to clients. */
  get lastCommitted(): number {
    return this.committed;
  }

  /** The latest epoch that a leader has served in. */
  get lastEpoch(): number {
    return this.newestEpoch;
  }

  /** `witness` serves clients from a tree that shows everything up to `zxid`. */
  noteCommitted(zxid: number, witness: string): void {
    if (zxid <= this.committed) return;
    this.committed = zxid;
    this.committedAt = witness;
  }

  /** `leader` (a process, not a machine) begins to serve in `epoch`; its log ends with `lastZxid`. */
  noteLeading(epoch: number, leader: string, lastZxid: number): void {
    this.epochs.note(epoch, leader, leader);
    const isNew = epoch > this.newestEpoch;
    this.newestEpoch = Math.max(this.newestEpoch, epoch);
    // An older leader may say so late: what is committed by then need not be in its log.
    if (!isNew || lastZxid >= this.committed) return;
    this.lost.push({
      rule: 'a leader has everything that was committed',
      message:
        `${leader} leads epoch ${epoch} with a log up to ${lastZxid.toString(16)}; ` +
        `${this.committedAt} had served ${this.committed.toString(16)}`,
    });
  }
}
