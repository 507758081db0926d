import type { Zxid } from '@aviary/foundation';

/**
 * How far proposals had come at some moments of the past, from which it is seen who has been behind
 * for too long. One entry each half tick, so nothing is paid for it on the way of a proposal.
 */
export class ProposalAges {
  private readonly marks: { readonly atMs: number; readonly lastProposed: Zxid }[] = [];

  /** Proposals have come to `lastProposed` now; `nowMs` does not go back. */
  mark(lastProposed: Zxid, nowMs: number): void {
    this.marks.push({ atMs: nowMs, lastProposed });
  }

  /**
   * The last proposal of which is known that it had been made by `atMs`; 0 if none is. Forgets what
   * was before; `atMs` does not go back.
   */
  proposedBy(atMs: number): Zxid {
    const { marks } = this;
    let known = 0;
    while (known < marks.length && marks[known].atMs <= atMs) known++;
    if (known === 0) return 0;
    const { lastProposed } = marks[known - 1];
    marks.splice(0, known - 1);
    return lastProposed;
  }
}
