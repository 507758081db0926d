import type { Clock, Timer } from '@aviary/foundation';

/** The clock of the machine and the timers of the event loop. */
export class SystemClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  }

  atEndOfTurn(callback: () => void): void {
    setImmediate(callback);
  }
}
