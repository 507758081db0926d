import { DUE_WHEN_FIRST, DeferredFrames } from './deferred-frames.js';
import type { ServerLimits } from './options.js';
import { PauseReason, type ReadPause } from './read-pause.js';

/** So many reads may wait before a write that is under way: they are answered when it is applied. */
const READS_PASSED_MAX = 64;

/**
 * The order in which the requests of a connection are answered: a read behind a write that is not
 * answered waits for it. When enough waits, the connection is read no further.
 *
 * A client that does not take its answers has its reads wait, too, and then its writes behind them:
 * else a write would be answered, or seen, by reads that were sent before it.
 */
export class RequestOrder {
  readonly waiting = new DeferredFrames();
  private writesSent = 0;
  private writesDone = 0;
  /** Writes that wait, and are sent already as far as those behind them are concerned. */
  private writesWaiting = 0;

  constructor(
    private readonly limits: ServerLimits,
    private readonly pause: ReadPause,
  ) {}

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.writesUnderWay + this.waiting.length;
  }

  private get writesUnderWay(): number {
    return this.writesSent - this.writesDone - this.writesWaiting;
  }

  /** Whether a write waits for reads before it. */
  get hasWaitingWrite(): boolean {
    return this.writesWaiting > 0;
  }

  /** Whether a read that comes now is answered now. */
  get isClear(): boolean {
    return (
      this.writesSent === this.writesDone &&
      this.waiting.length === 0 &&
      !this.pause.has(PauseReason.output)
    );
  }

  /** Whether the first request that waits need not wait any more. */
  get isFirstDue(): boolean {
    const { waiting } = this;
    if (waiting.length === 0 || waiting.writesNeeded > this.writesDone) return false;
    // What is under way will be applied, and answered, right behind the read.
    return waiting.isWrite || this.writesUnderWay > 0 || !this.pause.has(PauseReason.output);
  }

  writeSent(): void {
    this.writesSent++;
    if (this.isFull) this.pause.add(PauseReason.outstanding);
  }

  writeDone(): void {
    this.writesDone++;
  }

  /** Keeps a request until the writes before it are done. */
  defer(bytes: Uint8Array, start: number, end: number): void {
    this.waiting.push(bytes, start, end, this.writesSent);
    if (this.isFull) this.pause.add(PauseReason.outstanding);
  }

  /** Says that a write came; false: it is kept until the reads before it are answered. */
  takeWrite(bytes: Uint8Array, start: number, end: number): boolean {
    const reads = this.waiting.length;
    const passes =
      reads === 0 ||
      (this.writesWaiting === 0 &&
        reads <= READS_PASSED_MAX &&
        !this.pause.has(PauseReason.output));
    if (!passes) {
      this.waiting.push(bytes, start, end, DUE_WHEN_FIRST);
      this.writesWaiting++;
    }
    this.writeSent();
    return passes;
  }

  /** The first that waited was a write, and is under way now. */
  writeReleased(): void {
    this.writesWaiting--;
  }

  /** Lets the connection be read again once half of what it may have waiting is answered. */
  relax(): void {
    if (!this.pause.has(PauseReason.outstanding)) return;
    const { outstandingPerConnectionMax, deferredBytesMax } = this.limits;
    const isHalf =
      this.outstanding * 2 < outstandingPerConnectionMax &&
      this.waiting.heldBytes * 2 < deferredBytesMax;
    if (isHalf) this.pause.remove(PauseReason.outstanding);
  }

  private get isFull(): boolean {
    const { outstandingPerConnectionMax, deferredBytesMax } = this.limits;
    return (
      this.outstanding >= outstandingPerConnectionMax || this.waiting.heldBytes >= deferredBytesMax
    );
  }
}
