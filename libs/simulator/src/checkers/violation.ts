/** Something that a checker proved wrong. */
export interface Violation {
  /** The promise that was broken, in a few words; the same text for every breach of it. */
  readonly rule: string;
  /** What shows it: keys, values, operations. */
  readonly message: string;
}

/**
 * Counts the beginnings and ends of operations in the order in which they happen. Virtual time is
 * no substitute: many things share a moment, and then their order is lost.
 */
export class HistoryOrder {
  private count = 0;

  /** A place in the order, after all that were handed out before. */
  next(): number {
    return ++this.count;
  }
}
