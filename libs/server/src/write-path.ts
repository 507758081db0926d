import type { JuteReader } from '@aviary/jute';
import type { RequestOrigin } from '@aviary/znodes';
import type { WriteOwner } from './write-queue.js';

/** Whoever waits for all transactions that were under way at some moment. */
export interface BarrierOwner {
  onApplied(): void;
}

/** How the writes of a server's clients become transactions: made here, or by the leader. */
export interface WritePath {
  /** Requests that were taken and are not yet applied. */
  readonly outstanding: number;

  /** Whether no more should be taken for now. */
  readonly isFull: boolean;

  /** Whether at most half of what may wait does. */
  readonly hasRoom: boolean;

  /** Takes a request; `owner` hears when its transaction is applied, or never if the server ends. */
  submit(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void;

  /** Takes a request that is refused; its answer keeps its place in the order. */
  submitError(
    error: number,
    type: number,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void;

  /** Tells `owner` once every request that is outstanding is applied; there must be one. */
  waitForApplied(owner: BarrierOwner): void;

  /**
   * Tells `owner` once this server shows everything that was committed anywhere before the call.
   * False: it does so now, and nobody will be told.
   */
  sync(owner: BarrierOwner, origin: RequestOrigin): boolean;
}
