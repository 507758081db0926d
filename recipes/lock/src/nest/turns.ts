import type { Clock } from '@aviary/foundation';

/** How long a turn is waited for. */
export interface TurnLimits {
  /** Unset: no limit. */
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
}

/** One at a time, in the order of arrival: for calls that share one lease. */
export class Turns {
  private taken = false;
  private readonly waiting: ((isOurs: boolean) => void)[] = [];

  /** How many have the turn or wait for it. */
  get length(): number {
    return this.waiting.length + (this.taken ? 1 : 0);
  }

  /** @returns false: not within the limits, and {@link give} must not be called. */
  async take({ waitMs, signal, clock }: TurnLimits): Promise<boolean> {
    if (!this.taken) {
      this.taken = true;
      return true;
    }
    if (waitMs === 0 || signal?.aborted === true) return false;
    return new Promise((resolve) => {
      const settle = (isOurs: boolean) => {
        timer?.cancel();
        signal?.removeEventListener('abort', leave);
        resolve(isOurs);
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(settle), 1);
        settle(false);
      };
      const timer = waitMs === undefined ? null : clock.setTimer(waitMs, leave);
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(settle);
    });
  }

  /** Hands the turn on. */
  give(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.taken = false;
    else next(true);
  }
}
