import type { Zxid } from '@aviary/foundation';

interface PendingSync<Owner> {
  readonly ticket: number;
  readonly after: Zxid;
  readonly owner: Owner;
}

/**
 * The syncs that a leader has not answered, in the order in which they came.
 *
 * A sync stands between the proposals that were made before it and those that were made later: it is
 * answered when the last one before it is committed, and never behind a later one, for the session
 * that asked may have proposed that. A later one that is committed also shows that the leader led
 * when the sync was there already: a quorum has acknowledged it since.
 */
export class PendingSyncs<Owner> {
  private readonly waiting: PendingSync<Owner>[] = [];

  /** @param after The last proposal when the sync came. Tickets and zxids ascend. */
  push(ticket: number, after: Zxid, owner: Owner): void {
    this.waiting.push({ ticket, after, owner });
  }

  get size(): number {
    return this.waiting.length;
  }

  /** The last proposal before the oldest sync; Infinity: none waits. */
  get firstAfter(): Zxid {
    return this.waiting.length === 0 ? Infinity : this.waiting[0].after;
  }

  /**
   * Takes the oldest sync if it may be answered where everything up to `shown` is told, and nothing
   * later.
   *
   * @param committed Up to where proposals are committed.
   * @param confirmed The last ticket after which leadership was confirmed.
   */
  take(shown: Zxid, committed: Zxid, confirmed: number): Owner | null {
    if (this.waiting.length === 0) return null;
    const { after, owner, ticket } = this.waiting[0];
    if (after > shown || (after >= committed && ticket > confirmed)) return null;
    this.waiting.shift();
    return owner;
  }
}
