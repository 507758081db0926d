import {
  AbortedError,
  DeadlineExceededError,
  InvalidArgumentError,
  type CallOptions,
} from '@aviary/client';
import type { Clock } from '@aviary/foundation';
import { pause } from './pause.js';

/** How long a recipe's call may take, over all of its requests and pauses. */
export interface TimeLimits {
  /** Milliseconds from now. Unset or Infinity: no limit. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * For callers without types, who can pass anything, such as the controller of a signal.
 *
 * @throws {InvalidArgumentError}
 */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (
    signal === undefined ||
    typeof (signal as AbortSignal | null)?.addEventListener === 'function'
  ) {
    return;
  }
  throw new InvalidArgumentError('signal must be an AbortSignal, such as controller.signal');
}

/** What is left of the time of one call that makes several requests. */
export class TimeLimit {
  readonly signal: AbortSignal | undefined;
  private readonly clock: Clock;
  private readonly waitMs: number;
  private readonly endMs: number;

  /** @throws {InvalidArgumentError} `waitMs` is no time, or `signal` no signal. */
  constructor(clock: Clock, { waitMs = Infinity, signal }: TimeLimits) {
    if (typeof waitMs !== 'number' || !(waitMs >= 0)) {
      const given = String(waitMs);
      throw new InvalidArgumentError(
        `waitMs must be a number of milliseconds from 0 up, not ${given}`,
      );
    }
    checkSignal(signal);
    this.clock = clock;
    this.signal = signal;
    this.waitMs = waitMs;
    this.endMs = clock.monotonicMs() + waitMs;
  }

  /** What is left, in milliseconds; 0 when it is over. */
  get restMs(): number {
    return Math.max(0, this.endMs - this.clock.monotonicMs());
  }

  /** Whether the time is over, or the signal has aborted. */
  get isOver(): boolean {
    return this.signal?.aborted === true || this.restMs === 0;
  }

  /** Options for the next request. */
  rest(): CallOptions {
    return { signal: this.signal, deadlineMs: this.restMs };
  }

  /**
   * Nothing, while there is time.
   *
   * @throws {DeadlineExceededError} @throws {AbortedError} With outcome `notApplied`.
   */
  assertLeft(operation: string, path: string): void {
    const facts = { outcome: 'notApplied', operation, path } as const;
    if (this.signal?.aborted === true) {
      const message = `${operation} ${path}: the signal was aborted`;
      throw new AbortedError(message, { ...facts, cause: this.signal.reason });
    }
    if (this.restMs > 0) return;
    throw new DeadlineExceededError(`${operation} ${path}: not within ${this.waitMs} ms`, facts);
  }

  /** Waits for `promise`, but not longer than the limit. Rejects only as `promise` does. */
  async race(promise: Promise<unknown>): Promise<void> {
    const ended = new AbortController();
    const waits: Promise<unknown>[] = [promise];
    if (this.restMs !== Infinity) waits.push(pause(this.clock, this.restMs, ended.signal));
    const { signal } = this;
    const onAbort = (): void => ended.abort();
    if (signal !== undefined) {
      waits.push(aborted(ended.signal));
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    }
    try {
      await Promise.race(waits);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      ended.abort();
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
