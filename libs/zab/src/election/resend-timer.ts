import { assert } from '@aviary/foundation';

/** When to say the same again, in milliseconds. */
export interface ResendIntervals {
  /** Silence after which votes are sent again, at first. */
  readonly minMs: number;
  /** The silence doubles up to this. */
  readonly maxMs: number;
  /** At least so often, those without a connection are dialled. */
  readonly dialMs: number;
}

/** Measures the silence in which votes are sent again; knows time only by its own timer. */
export class ResendTimer {
  private readonly intervals: ResendIntervals;
  private intervalMs: number;
  private silentMs = 0;
  private setMs = 0;

  constructor(intervals: ResendIntervals) {
    assert(intervals.minMs > 0 && intervals.dialMs > 0, 'a timer takes time');
    assert(intervals.minMs <= intervals.maxMs, 'the shortest interval is not above the longest');
    this.intervals = intervals;
    this.intervalMs = intervals.minMs;
  }

  /** A new election: silence is short again. */
  reset(): void {
    this.intervalMs = this.intervals.minMs;
    this.silentMs = 0;
  }

  /** Something was heard. The interval stays as long as it has become. */
  heard(): void {
    this.silentMs = 0;
  }

  /** What to set the timer to. */
  next(): number {
    this.setMs = Math.min(this.intervalMs - this.silentMs, this.intervals.dialMs);
    return this.setMs;
  }

  /** The timer has run out. Returns whether to send votes again; else only to dial. */
  elapsed(): boolean {
    this.silentMs += this.setMs;
    if (this.silentMs < this.intervalMs) return false;
    this.intervalMs = Math.min(this.intervalMs * 2, this.intervals.maxMs);
    this.silentMs = 0;
    return true;
  }
}
