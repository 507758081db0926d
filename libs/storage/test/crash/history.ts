import type { Zxid } from '@aviary/foundation';
import type { LedgerEntry } from '../ledger.js';

/**
 * What clients were told through all lives of a server, and the rules that it must keep: whatever
 * was acknowledged, or was seen after a recovery, is there after the next; nothing is there that
 * nobody submitted; the order is that of the zxids, without a gap.
 */
export class History {
  readonly violations: string[] = [];
  private readonly submittedTags = new Map<Zxid, Set<number>>();
  private readonly seen = new Map<Zxid, number>();
  private hasFailed = false;

  get acknowledgedCount(): number {
    return this.seen.size;
  }

  submitted({ zxid, tag }: LedgerEntry): void {
    const tags = this.submittedTags.get(zxid) ?? new Set();
    this.submittedTags.set(zxid, tags.add(tag));
  }

  acknowledged({ zxid, tag }: LedgerEntry): void {
    if (this.hasFailed) this.violations.push(`${zxid} was acknowledged after the log had failed`);
    this.seen.set(zxid, tag);
  }

  /** The log said that it failed; it may say so once, and acknowledge nothing more. */
  logFailed(): void {
    if (this.hasFailed) this.violations.push('the log failed twice');
    this.hasFailed = true;
  }

  /** Recovery refused to start. */
  refused(error: unknown): void {
    this.violations.push(`recovery refused: ${String(error)}`);
  }

  /** A new life begins with `entries`. */
  recovered(entries: readonly LedgerEntry[]): void {
    this.hasFailed = false;
    for (const [index, { zxid, tag }] of entries.entries()) {
      if (zxid !== index + 1) this.violations.push(`${zxid} stands in place ${index + 1}`);
      const isSubmitted = this.submittedTags.get(zxid)?.has(tag) === true;
      if (!isSubmitted) this.violations.push(`${zxid} came back as what nobody submitted`);
      const seenTag = this.seen.get(zxid);
      if (seenTag !== undefined && seenTag !== tag) this.violations.push(`${zxid} has changed`);
    }
    for (const zxid of this.seen.keys()) {
      if (zxid > entries.length) this.violations.push(`${zxid} was acknowledged and is lost`);
    }
    // From now on clients read it.
    for (const { zxid, tag } of entries) this.seen.set(zxid, tag);
  }
}
