/** Leadership; see README.md. */
export { ForeignContenderError, LeaseLostError } from '@aviary/coordination';
export type { ForeignName, LossReason, TimeLimits } from '@aviary/coordination';
export type { OnOverrun, OnSuspended } from './core/candidacy.js';
export {
  HandOverError,
  LeadersClosedError,
  LeadershipTimeoutError,
  NotLeaderError,
} from './core/leader-errors.js';
export type { LeaderLayout } from './core/leader-layout.js';
export type { LeaderRole, LeaderWork } from './core/leader-role.js';
export type { LeaderStatus } from './core/leader-status.js';
export type { LeaderTerm } from './core/leader-term.js';
export { LEADERS_ROOT, Leaders } from './core/leaders.js';
export type { LeadersOptions } from './core/leaders.js';
export type { Participant } from './core/role-queue.js';
