import { CoordinationError } from '@aviary/client';

/** How far it had come when the time was over. */
export interface WaitFacts {
  readonly waitMs: number;
  /** What was waited for, for people. */
  readonly missing: string;
}

/**
 * What was waited for did not happen within `waitMs`: a barrier was not lowered, a round did not
 * open, or its members have not all left. After `enter` and `leave` nothing of ours stays inside; a
 * round that opens in that very moment counts us once more and goes on without us.
 */
export class BarrierTimeoutError extends CoordinationError {
  readonly waitMs: number;

  constructor(operation: string, path: string, { waitMs, missing }: WaitFacts) {
    super(`${operation} ${path}: ${missing} within ${waitMs} ms`, {
      outcome: 'notApplied',
      operation,
      path,
    });
    this.waitMs = waitMs;
  }
}

/**
 * The ensemble did not answer within the time allowed, so it is not known how the barrier stands.
 * What may have reached the servers is deleted in the background.
 */
export class BarrierUnavailableError extends CoordinationError {
  readonly waitMs: number;

  constructor(operation: string, path: string, waitMs: number, problem: string) {
    super(`${operation} ${path}: no answer within ${waitMs} ms: ${problem}`, {
      outcome: 'notApplied',
      operation,
      path,
    });
    this.waitMs = waitMs;
  }
}

/**
 * The `Barriers`, or the application that they belong to, are shutting down. Nothing of ours stays.
 */
export class BarriersClosedError extends CoordinationError {
  constructor(operation: string, path: string) {
    super(`${operation} ${path}: these barriers are shutting down`, {
      outcome: 'notApplied',
      operation,
      path,
    });
  }
}
