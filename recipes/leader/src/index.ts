/** Leadership; see README.md. */
export { ForeignContenderError, LeaseLostError } from '@aviary/coordination';
export type { ForeignName, LossReason, TimeLimits } from '@aviary/coordination';
export type { OnOverrun, OnSuspended } from './core/candidacy.js';
export type { LeaderCronJob } from './core/cron-job.js';
export type { MisfirePolicy } from './core/cron-plan.js';
export type { CronFire, CronRecord, FireOutcome } from './core/cron-record.js';
export {
  HandOverError,
  LeadersClosedError,
  LeadershipTimeoutError,
  NotCampaigningError,
  NotLeaderError,
} from './core/leader-errors.js';
export type { LeaderLayout } from './core/leader-layout.js';
export type { LeaderRole, LeaderWork } from './core/leader-role.js';
export type { LeaderStatus } from './core/leader-status.js';
export type { LeaderTerm } from './core/leader-term.js';
export { LEADERS_ROOT, Leaders } from './core/leaders.js';
export type { LeadersOptions } from './core/leaders.js';
export type { Participant } from './core/role-queue.js';
export { LeaderCron } from './nest/leader-cron.decorator.js';
export type { LeaderCronOptions } from './nest/leader-cron.decorator.js';
export { LeaderCronJobs } from './nest/leader-cron-jobs.js';
export type { LeaderModuleOptions, LeaderOptionsFactory } from './nest/leader-module-options.js';
export { LeaderOnly } from './nest/leader-only.decorator.js';
export type { LeaderOnlyOptions } from './nest/leader-only.decorator.js';
export type { FollowerCall, Otherwise } from './nest/leader-runner.js';
export { LeaderSetupError } from './nest/leader-setup-error.js';
export { LeaderModule } from './nest/leader.module.js';
export {
  getCronJobsToken,
  getLeaderToken,
  getLeadersToken,
  InjectLeader,
  InjectLeaders,
} from './nest/leader.tokens.js';
export { OnLeadershipGained, OnLeadershipLost } from './nest/leadership-events.decorator.js';
export type { LeadershipEventOptions } from './nest/leadership-events.decorator.js';
export { currentTerm } from './nest/term-scope.js';
export { Term } from './nest/term.decorator.js';
