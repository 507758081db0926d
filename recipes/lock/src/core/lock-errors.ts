import { CoordinationError, type Outcome } from '@aviary/client';

/**
 * The lock was not free and the caller did not want to wait (`waitMs: 0`). Nothing was done, and
 * nothing of this attempt stays in the queue.
 */
export class LockBusyError extends CoordinationError {
  /** How many contenders, the holder included, stood before this attempt. */
  readonly ahead: number;

  constructor(path: string, ahead: number) {
    super(`the lock ${path} is not free: ${contenders(ahead)} before this attempt`, {
      outcome: 'notApplied',
      operation: 'acquire',
      path,
    });
    this.ahead = ahead;
  }
}

/**
 * It was not this attempt's turn within `waitMs`. The contender's node is deleted, in the background
 * if there is no connection just now, so the queue does not wait for it.
 */
export class LockTimeoutError extends CoordinationError {
  readonly waitMs: number;
  /** How many contenders, the holder included, stood before this attempt when last seen. */
  readonly ahead: number;
  /** The identity of the contender right before it, as that one wrote it; null if not known. */
  readonly behind: string | null;

  constructor(
    path: string,
    facts: { readonly waitMs: number; readonly ahead: number; readonly behind: string | null },
  ) {
    const { waitMs, ahead, behind } = facts;
    const next = behind === null ? '' : `, the next of them "${behind}"`;
    super(`the lock ${path} was not free within ${waitMs} ms: ${contenders(ahead)} before${next}`, {
      outcome: 'notApplied',
      operation: 'acquire',
      path,
    });
    this.waitMs = waitMs;
    this.ahead = ahead;
    this.behind = behind;
  }
}

/**
 * The ensemble did not say within the time allowed whether the lock is free: it is not known to be
 * busy. What may have reached the servers is deleted in the background.
 */
export class LockUnavailableError extends CoordinationError {
  /** How long it was waited for an answer. */
  readonly waitMs: number;

  constructor(path: string, waitMs: number, problem: string) {
    super(`no answer about the lock ${path} within ${waitMs} ms: ${problem}`, {
      outcome: 'notApplied',
      operation: 'acquire',
      path,
    });
    this.waitMs = waitMs;
  }
}

/** The `LockClient`, or the application that it belongs to, is shutting down. Nothing was done. */
export class LocksClosedError extends CoordinationError {
  constructor(path: string) {
    super(`the lock ${path} is not taken any more: its lock client is shutting down`, {
      outcome: 'notApplied',
      operation: 'acquire',
      path,
    });
  }
}

/**
 * A contender of another recipe stands in the lock's directory. It does not see contenders of this
 * one, so both would hold at once. Nothing stays in the queue; let one of them use another path.
 */
export class ForeignContenderError extends CoordinationError {
  /** The node of the other recipe. */
  readonly node: string;
  /** Which recipe, for people. */
  readonly recipe: string;

  constructor(path: string, node: string, recipe: string) {
    super(
      `the lock ${path} has the contender "${node}" of ${recipe}, which does not see this one: ` +
        'give one of the two another path (or set onForeignContender to "warn")',
      { outcome: 'notApplied', operation: 'acquire', path },
    );
    this.node = node;
    this.recipe = recipe;
  }
}

/**
 * Why a lease ended before its time.
 *
 * `sessionLost`: the session expired, or must be presumed so; others may hold. `uncertain`: nothing
 * that was sent lately was answered, so the session may be over. `nodeDeleted`: somebody deleted the
 * lock's node; others may hold. `revoked`: somebody wrote to the lock's node, as Curator's revocation
 * does; nobody else holds before `release()`. `maxHold`: it was held for longer than `maxHoldMs`; likewise.
 * `shutdown`: the process is ending; likewise. `released`: by `release()`, so this is a bug.
 */
export type LossReason =
  'sessionLost' | 'uncertain' | 'nodeDeleted' | 'revoked' | 'maxHold' | 'shutdown' | 'released';

const REASONS: Readonly<Record<LossReason, string>> = {
  sessionLost: 'its session is over, or must be presumed so',
  uncertain: 'nothing that was sent lately has been answered, so its session may be over',
  nodeDeleted: 'somebody deleted its node',
  revoked: 'somebody asked for it by writing to its node',
  maxHold: 'it was held for longer than maxHoldMs allows',
  shutdown: 'the process is shutting down',
  released: 'it has been released',
};

/**
 * A lease is not held any more. Stop: what is written from here on may meet another holder's work.
 *
 * Outcome `notApplied`: this call wrote nothing. `unknown`: work was going on when it ended, and how
 * far it came is not known.
 */
export class LeaseLostError extends CoordinationError {
  readonly reason: LossReason;
  /** The fencing token of the lease. A later holder's is greater. */
  readonly token: bigint;

  constructor(
    path: string,
    facts: {
      readonly reason: LossReason;
      readonly token: bigint;
      readonly outcome?: Outcome;
      readonly cause?: unknown;
    },
  ) {
    const { reason, token, outcome = 'notApplied', cause } = facts;
    super(`the lock ${path} (token ${token}) is not held: ${REASONS[reason]}`, {
      outcome,
      operation: 'lease',
      path,
      cause,
    });
    this.reason = reason;
    this.token = token;
  }
}

function contenders(count: number): string {
  return count === 1 ? 'one contender' : `${count} contenders`;
}
