import { CoordinationError, type Outcome } from '@aviary/client';

/**
 * Why a lease ended before its time.
 *
 * `sessionLost`: the session expired, or must be presumed so; others may hold. `uncertain`: nothing
 * that was sent lately was answered, so the session may be over. `nodeDeleted`: somebody deleted the
 * lease's node; others may hold. `revoked`: somebody wrote to that node, as Curator's revocation
 * does; nobody else holds before `release()`. `maxHold`: it was held for longer than `maxHoldMs`; likewise.
 * `suspended`: there is no connection, and its holder did not want to go on without; nobody else holds
 * before the session is over. `resigned`: its holder steps down; nobody else holds before `release()`.
 * `shutdown`: the process is ending; likewise. `released`: by `release()`, so this is a bug.
 */
export type LossReason =
  | 'sessionLost'
  | 'uncertain'
  | 'nodeDeleted'
  | 'revoked'
  | 'maxHold'
  | 'suspended'
  | 'resigned'
  | 'shutdown'
  | 'released';

const REASONS: Readonly<Record<LossReason, string>> = {
  sessionLost: 'its session is over, or must be presumed so',
  uncertain: 'nothing that was sent lately has been answered, so its session may be over',
  nodeDeleted: 'somebody deleted its node',
  revoked: 'somebody asked for it by writing to its node',
  maxHold: 'it was held for longer than maxHoldMs allows',
  suspended: 'the connection is broken',
  resigned: 'its holder steps down',
  shutdown: 'the process is shutting down',
  released: 'it has been released',
};

/** What is known of the end of a lease. */
export interface LossFacts {
  readonly reason: LossReason;
  readonly token: bigint;
  /** Default: `notApplied`. */
  readonly outcome?: Outcome;
  readonly cause?: unknown;
  /** The word for what was held. Default: `lock`. */
  readonly noun?: string;
}

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

  constructor(path: string, facts: LossFacts) {
    const { reason, token, outcome = 'notApplied', cause, noun = 'lock' } = facts;
    super(`the ${noun} ${path} (token ${token}) is not held: ${REASONS[reason]}`, {
      outcome,
      operation: 'lease',
      path,
      cause,
    });
    this.reason = reason;
    this.token = token;
  }
}
