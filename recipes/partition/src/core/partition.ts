import { setMaxListeners } from 'node:events';
import type { Transaction } from '@aviary/client';
import type { Lease, LossReason } from '@aviary/coordination';

/**
 * An item that is ours for now. No other member owns it at the same time, as far as the servers
 * see: its node is ours.
 */
export class Partition {
  /** Its name; for numbered items the number, as text. */
  readonly item: string;
  /** Its place among the sorted items of the group; for numbered items the number. */
  readonly index: number;
  /** The path of its group. */
  readonly group: string;
  /** The zxid of the agreement by which it is ours. Greater for each later one. */
  readonly generation: bigint;
  /**
   * Aborts when the work must end: with PartitionMovedError, and then the item is ours until the
   * work has ended or its grace is over; or with LeaseLostError, and then it may be another's
   * already.
   */
  readonly signal: AbortSignal;
  private readonly lease: Lease;
  private readonly controller = new AbortController();

  /** @internal */
  constructor(
    facts: { readonly item: string; readonly index: number; readonly group: string },
    generation: bigint,
    lease: Lease,
  ) {
    this.item = facts.item;
    this.index = facts.index;
    this.group = facts.group;
    this.generation = generation;
    this.lease = lease;
    this.signal = this.controller.signal;
    // Whatever the work calls may listen to it, and Node takes more than ten for a leak.
    setMaxListeners(0, this.signal);
  }

  /** The fencing token. Every later owner of the item has a greater one. */
  get token(): bigint {
    return this.lease.token;
  }

  /** Whether it is ours: a comparison with the clock, made now. */
  get isHeld(): boolean {
    return this.lease.isHeld;
  }

  /** Why it was lost; null if it was not. */
  get lost(): LossReason | null {
    return this.lease.lost;
  }

  /**
   * Nothing, if it is ours. To be called right before each write, without an `await` between.
   *
   * @throws {LeaseLostError} It is not.
   */
  assertHeld(): void {
    this.lease.assertHeld();
  }

  /**
   * Collects operations that the server applies only while the item is ours; see
   * `Lease.transaction`.
   */
  transaction(): Transaction<[undefined]> {
    return this.lease.transaction();
  }

  /** @internal The work must end. */
  stop(reason: Error): void {
    this.controller.abort(reason);
  }
}
