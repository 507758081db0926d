import type { Clock, Timer } from '@aviary/foundation';

/** The longest delay that the event loop can count; it takes a longer one for none. */
const DELAY_MS_MAX = 0x7fff_ffff;

/**
 * A timer that keeps its word: the event loop counts whole milliseconds from a moment that has
 * already passed, so its own may fire almost one too early.
 */
class SystemTimer implements Timer {
  private readonly dueMs: number;
  private readonly callback: () => void;
  private handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.dueMs = performance.now() + delayMs;
    this.callback = callback;
    this.handle = this.arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.handle);
  }

  private arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.fire(), Math.min(Math.ceil(delayMs), DELAY_MS_MAX));
  }

  private fire(): void {
    const leftMs = this.dueMs - performance.now();
    if (leftMs > 0) this.handle = this.arm(leftMs);
    else this.callback();
  }
}

/** The clock of the machine and the timers of the event loop. */
export class SystemClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new SystemTimer(delayMs, callback);
  }

  atEndOfTurn(callback: () => void): void {
    setImmediate(callback);
  }
}
