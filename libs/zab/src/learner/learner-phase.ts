/**
 * What a learner is at. In some phases it waits for the leader, in the others for its own disk:
 * - `introduced`: for LEADERINFO; `acceptingEpoch`: until it is written that the epoch is agreed to;
 * - `agreed`: for DIFF, TRUNC or SNAP; `truncating`, `reloading`: until the log is cut and read again;
 *   `snapshot`: until all of the snapshot is there; `history`: for the rest up to NEWLEADER;
 * - `installing`, `logging`, `enteringEpoch`: until the history, and then its epoch, are durable;
 * - `ready`: for UPTODATE; `serving`: it gets everything as it happens.
 */
export type LearnerPhase =
  | 'idle'
  | 'introduced'
  | 'acceptingEpoch'
  | 'agreed'
  | 'truncating'
  | 'reloading'
  | 'snapshot'
  | 'history'
  | 'installing'
  | 'logging'
  | 'enteringEpoch'
  | 'ready'
  | 'serving'
  | 'over';

/** In these a silent leader is left; in the others the learner itself keeps it waiting. */
export const WAITING: ReadonlySet<LearnerPhase> = new Set<LearnerPhase>([
  'introduced',
  'agreed',
  'snapshot',
  'history',
  'ready',
  'serving',
]);

/** In these, proposals and commits are history. */
export const RECEIVING: ReadonlySet<LearnerPhase> = new Set<LearnerPhase>([
  'truncating',
  'reloading',
  'history',
  'installing',
  'logging',
  'enteringEpoch',
  'ready',
]);
