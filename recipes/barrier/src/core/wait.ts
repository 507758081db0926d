import type { Timer } from '@aviary/foundation';
import { AbortedError, type ZooKeeper } from '@aviary/client';
import {
  BarriersClosedError,
  BarrierTimeoutError,
  BarrierUnavailableError,
} from './barrier-errors.js';

/** How long to wait. Times are in milliseconds. */
export interface WaitOptions {
  /**
   * The longest wait, whatever happens to connections and sessions meanwhile. Unset: no limit.
   * 0: one look.
   */
  readonly waitMs?: number | undefined;
  /** Ends the wait with AbortedError. */
  readonly signal?: AbortSignal | undefined;
}

/** One wait, and what it is for. */
export interface WaitTerms extends WaitOptions {
  readonly zk: ZooKeeper;
  readonly operation: string;
  readonly path: string;
  /** With `waitMs: 0`: how long the ensemble's answer is waited for. */
  readonly attemptMs: number;
}

/**
 * A wait with everything that can cut it short: its time, its caller's signal, the end of its
 * client.
 */
export class Wait {
  private readonly terms: WaitTerms;
  private readonly canceller = new AbortController();
  private cut: 'late' | 'aborted' | 'closed' | null = null;
  /** What is missing, as the servers last said; null: they have said nothing yet. */
  private missing: string | null = null;

  constructor(terms: WaitTerms) {
    this.terms = terms;
  }

  /** Aborts when the wait is cut short. */
  get signal(): AbortSignal {
    return this.canceller.signal;
  }

  get isCut(): boolean {
    return this.cut !== null;
  }

  /** For every call of the wait: its limits are their only ones. */
  get options(): { readonly signal: AbortSignal; readonly deadlineMs: number } {
    return { signal: this.canceller.signal, deadlineMs: Infinity };
  }

  /** Runs `body` within the limits. @throws what `body` throws, or how the wait was cut short. */
  async run<T>(body: () => Promise<T>): Promise<T> {
    const { signal, waitMs = Infinity, attemptMs, zk } = this.terms;
    const limitMs = waitMs === 0 ? attemptMs : waitMs;
    let timer: Timer | null = null;
    if (limitMs !== Infinity) timer = zk.clock.setTimer(limitMs, () => this.end('late'));
    const onAbort = () => this.end('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) this.end('aborted');
    try {
      return await body();
    } catch (error) {
      throw this.errorOf(error);
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * The servers have said that it has not happened yet.
   *
   * @throws {BarrierTimeoutError} It was to be one look only.
   */
  note(missing: string): void {
    const { operation, path, waitMs } = this.terms;
    this.missing = missing;
    if (waitMs === 0) throw new BarrierTimeoutError(operation, path, { waitMs, missing });
  }

  /** Ends it, since its client ends. */
  close(): void {
    this.end('closed');
  }

  private end(cut: 'late' | 'aborted' | 'closed'): void {
    if (this.cut !== null) return;
    this.cut = cut;
    this.canceller.abort();
  }

  private errorOf(error: unknown): unknown {
    const { operation, path, waitMs = Infinity, attemptMs, signal, zk } = this.terms;
    switch (this.cut) {
      case null:
        return error;
      case 'closed':
        return new BarriersClosedError(operation, path);
      case 'aborted': {
        const cause: unknown = signal?.reason;
        const facts = { outcome: 'notApplied', operation, path, cause } as const;
        return new AbortedError(`${operation} ${path}: the signal was aborted`, facts);
      }
      case 'late': {
        if (this.missing !== null && waitMs !== 0) {
          return new BarrierTimeoutError(operation, path, { waitMs, missing: this.missing });
        }
        const limitMs = waitMs === 0 ? attemptMs : waitMs;
        const problem = `the client is ${zk.state.kind}`;
        return new BarrierUnavailableError(operation, path, limitMs, problem);
      }
    }
  }
}
