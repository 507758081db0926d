import { CoordinationError } from '@aviary/client';

/** This process does not lead, and only the leader may do what was asked. Nothing was done. */
export class NotLeaderError extends CoordinationError {
  constructor(role: string, path: string) {
    super(`this process does not lead "${role}"`, {
      outcome: 'notApplied',
      operation: 'lead',
      path,
    });
  }
}

/** This process only observes, so it would wait for its turn without end. Nothing was done. */
export class NotCampaigningError extends CoordinationError {
  constructor(role: string, path: string) {
    super(
      `this process does not take part for "${role}", since its leaders have \`campaign: false\`: ` +
        'call campaign() of the role first (and again after withdraw())',
      { outcome: 'notApplied', operation: 'whenLeading', path },
    );
  }
}

/** It did not become this process's turn in the time allowed. It goes on taking part. */
export class LeadershipTimeoutError extends CoordinationError {
  readonly waitMs: number;

  constructor(role: string, path: string, waitMs: number, problem: string | null) {
    const why = problem === null ? '' : `: ${problem}`;
    super(`this process did not come to lead "${role}" within ${waitMs} ms${why}`, {
      outcome: 'notApplied',
      operation: 'whenLeading',
      path,
    });
    this.waitMs = waitMs;
  }
}

/** The `Leaders`, or the application that they belong to, are shutting down. Nothing was done. */
export class LeadersClosedError extends CoordinationError {
  constructor(path: string) {
    super(`nobody takes part for the role ${path} any more: its leaders are shutting down`, {
      outcome: 'notApplied',
      operation: 'campaign',
      path,
    });
  }
}

/**
 * The role was not handed over. `notApplied`: everything is as before. `unknown`: those between the
 * leader and the chosen one may have been sent to the end of the queue, and the leader may step down.
 */
export class HandOverError extends CoordinationError {
  constructor(path: string, problem: string, outcome: 'notApplied' | 'unknown', cause?: unknown) {
    super(`the role ${path} is not handed over: ${problem}`, {
      outcome,
      operation: 'transferTo',
      path,
      cause,
    });
  }
}
