/** Hears of transactions that were applied. */
export interface AppliedListener {
  /** So many transactions, of so many bytes, were just applied and answered. */
  onApplied(transactions: number, bytes: number): void;
}
