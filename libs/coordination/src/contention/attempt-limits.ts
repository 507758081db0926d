import type { Timer } from '@aviary/foundation';
import { AbortedError, type CallOptions, type ZooKeeper } from '@aviary/client';
import type { Contended, ContentionErrors } from './contention-errors.js';

/** How long an attempt goes on. Times are in milliseconds. */
export interface AttemptTerms {
  readonly zk: ZooKeeper;
  /** Unset: no limit. 0: one attempt. */
  readonly waitMs: number | undefined;
  /** With `waitMs: 0`: how long the ensemble's answer is waited for. */
  readonly attemptMs: number;
  readonly signal: AbortSignal | undefined;
  readonly errors: ContentionErrors;
}

/** How far an attempt had come when it was cut short. */
export interface Progress extends Contended {
  /** How many stood before it when it last looked; null: it has not been in the queue. */
  readonly ahead: number | null;
  /** What the one right before it wrote; null: not known. */
  readonly behind: string | null;
  /** Why it was not to be had in its turn, when last seen; null: it was, or that is not known. */
  readonly shortage: string | null;
}

/** Everything that can cut an attempt short: its time, its caller's signal, the end of its client. */
export class AttemptLimits {
  private readonly terms: AttemptTerms;
  private readonly canceller = new AbortController();
  private cut: 'late' | 'aborted' | 'closed' | null = null;
  private timer: Timer | null = null;
  private readonly onAbort = () => this.end('aborted');

  constructor(terms: AttemptTerms) {
    this.terms = terms;
  }

  /** Aborts when the attempt is cut short. */
  get signal(): AbortSignal {
    return this.canceller.signal;
  }

  get isCut(): boolean {
    return this.cut !== null;
  }

  /** For every call of the attempt: the limits are its only ones. */
  get options(): CallOptions & { readonly signal: AbortSignal; readonly deadlineMs: number } {
    return { signal: this.canceller.signal, deadlineMs: Infinity };
  }

  /** Starts to count. {@link disarm} must follow. */
  arm(): void {
    const { signal, waitMs = Infinity, attemptMs, zk } = this.terms;
    const limitMs = waitMs === 0 ? attemptMs : waitMs;
    if (limitMs !== Infinity) this.timer = zk.clock.setTimer(limitMs, () => this.end('late'));
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted === true) this.end('aborted');
  }

  disarm(): void {
    this.timer?.cancel();
    this.terms.signal?.removeEventListener('abort', this.onAbort);
  }

  /** Ends the attempt, since its client ends. */
  close(): void {
    this.end('closed');
  }

  /** What the caller is told of `error`, which ended the attempt. */
  errorOf(error: unknown, { ahead, behind, shortage, ...contended }: Progress): unknown {
    const { waitMs = Infinity, attemptMs, signal, zk, errors } = this.terms;
    const { path } = contended;
    switch (this.cut) {
      case null:
        return error;
      case 'closed':
        return new errors.ShuttingDown(contended);
      case 'aborted': {
        const facts = { outcome: 'notApplied', operation: 'acquire', path } as const;
        const message = `acquire ${path}: the signal was aborted`;
        return new AbortedError(message, { ...facts, cause: signal?.reason });
      }
      case 'late':
        if (error instanceof errors.Busy) return error;
        if (ahead === null || (ahead === 0 && shortage === null) || waitMs === 0) {
          const limitMs = waitMs === 0 ? attemptMs : waitMs;
          const problem = ahead === null ? `the client is ${zk.state.kind}` : 'the answer was lost';
          return new errors.Unavailable(contended, limitMs, problem);
        }
        return new errors.Timeout(contended, { waitMs, ahead, behind, shortage });
    }
  }

  private end(cut: 'late' | 'aborted' | 'closed'): void {
    if (this.cut !== null) return;
    this.cut = cut;
    this.canceller.abort();
  }
}
