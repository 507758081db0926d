import { DeferredFrames } from './deferred-frames.js';
import type { ServerLimits } from './options.js';
import { PauseReason, type ReadPause } from './read-pause.js';

/**
 * The order in which the requests of a connection are answered: a read behind a write that is not
 * answered waits for it. When enough waits, the connection is read no further.
 */
export class RequestOrder {
  readonly waiting = new DeferredFrames();
  private writesSent = 0;
  private writesDone = 0;

  constructor(
    private readonly limits: ServerLimits,
    private readonly pause: ReadPause,
  ) {}

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.writesSent - this.writesDone + this.waiting.length;
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
    return !this.pause.has(PauseReason.output);
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
