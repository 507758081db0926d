import type { Clock, Timer } from '@aviary/foundation';

interface WaitingTimer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that goes when it is told to. */
export class ManualClock implements Clock {
  private nowMs = 1_000;
  private timers: WaitingTimer[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.timers.push(timer);
    return { cancel: () => (this.timers = this.timers.filter((each) => each !== timer)) };
  }

  atEndOfTurn(callback: () => void): void {
    void Promise.resolve().then(callback);
  }

  /** Lets time pass and fires what has come due. */
  advance(byMs: number): void {
    this.nowMs += byMs;
    const due = this.timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.timers = this.timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { callback } of due) callback();
  }
}

/** Lets everything happen that waits for nothing but promises. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
