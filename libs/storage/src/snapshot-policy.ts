import { randomBelow, type Random } from '@aviary/foundation';

/** When snapshots are taken. */
export interface SnapshotPolicyOptions {
  /** `snapCount`: transactions between two snapshots, at most. */
  readonly snapCount: number;
  /** `snapSizeLimitInKb`, in bytes of log; 0 or less: no limit. */
  readonly snapBytes: number;
}

/**
 * Says when it is time for a snapshot: after somewhere between half and all of `snapCount`
 * transactions, or of so many bytes of log, drawn anew each time so that the members of an
 * ensemble do not all take theirs together.
 */
export class SnapshotPolicy {
  private transactions = 0;
  private bytes = 0;
  private transactionsLimit = 0;
  private bytesLimit = 0;

  constructor(
    private readonly options: SnapshotPolicyOptions,
    private readonly random: Random,
  ) {
    this.drawLimits();
  }

  /** Counts what was logged; returns whether a snapshot is due. */
  logged(transactions: number, bytes: number): boolean {
    this.transactions += transactions;
    this.bytes += bytes;
    return this.transactions > this.transactionsLimit || this.bytes > this.bytesLimit;
  }

  /** Starts to count anew: a snapshot was begun. */
  reset(): void {
    this.transactions = 0;
    this.bytes = 0;
    this.drawLimits();
  }

  private drawLimits(): void {
    const { snapCount, snapBytes } = this.options;
    this.transactionsLimit = this.draw(Math.max(snapCount, 2));
    this.bytesLimit = snapBytes > 0 ? this.draw(snapBytes) : Infinity;
  }

  private draw(limit: number): number {
    const half = Math.floor(limit / 2);
    return half + randomBelow(this.random, Math.max(half, 1));
  }
}
