import { Marks } from '@aviary/nest';
import type { MisfirePolicy } from '../core/cron-plan.js';
import type { CronSchedule } from '../core/cron-schedule.js';

/** A role of the `LeaderModule` with a name. */
export interface RoleMark {
  readonly role: string;
  /** The `name` of the module. */
  readonly module: string;
}

/** A method that is told of terms. */
export interface ListenerMark extends RoleMark {
  /** The indices of its parameters under `@Term()`. */
  readonly terms: readonly number[];
}

/** A job as its decorator describes it. */
export interface CronMark extends RoleMark {
  /** null: `Class.method`. */
  readonly name: string | null;
  readonly schedule: CronSchedule;
  readonly misfire: MisfirePolicy;
  readonly interrupted: 'leave' | 'run-again';
  readonly lateMs: number;
  readonly history: number;
  readonly isDisabled: boolean;
  /** The indices of the method's parameters under `@Term()`. */
  readonly terms: readonly number[];
}

/** Methods under `@LeaderOnly()`: for these roles the application takes part. */
export const ONLY_MARKS = new Marks<RoleMark>();

/** Methods under `@OnLeadershipGained()`. */
export const GAINED_MARKS = new Marks<ListenerMark>();

/** Methods under `@OnLeadershipLost()`. */
export const LOST_MARKS = new Marks<ListenerMark>();

/** Methods under `@LeaderCron()`. */
export const CRON_MARKS = new Marks<CronMark>();
