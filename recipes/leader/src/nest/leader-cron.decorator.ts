import { pathProblem } from '@aviary/foundation';
import { durationOptionMs, shown, type Duration } from '@aviary/nest';
import type { MisfirePolicy } from '../core/cron-plan.js';
import { CronSchedule } from '../core/cron-schedule.js';
import { checkWay, leaderMethodOf } from './leader-decoration.js';
import { CRON_MARKS } from './leader-marks.js';
import { RUNNERS } from './leader-runner.js';
import { TERMS } from './term.decorator.js';

/** How a job under {@link LeaderCron} is run. */
export interface LeaderCronOptions {
  /**
   * The name of the job, unique in the application and the same on every instance: its record bears
   * it. Default: `Class.method`, which a minifier changes.
   */
  readonly name?: string | undefined;
  /** Whose leader runs it. Default: `cron`. */
  readonly role?: string | undefined;
  /** Times that passed while nobody led, or while the fire before still ran. Default: `skip`. */
  readonly misfire?: MisfirePolicy | undefined;
  /** A time that has passed by no more than this is not missed. Default: 5 seconds. */
  readonly late?: Duration | undefined;
  /**
   * A fire that was begun, and whose leader has gone before it said how it ended. `leave` (the
   * default): it stays in the history, and is not repeated. `run-again`: the next leader runs it
   * again, three times at most, perhaps while the former one has not noticed yet that it leads no more.
   */
  readonly interrupted?: 'leave' | 'run-again' | undefined;
  /** How many fires are remembered. Default: 20. */
  readonly history?: number | undefined;
  /** Of the expression; it must be the same on every instance, so the default is `UTC`. */
  readonly timeZone?: string | undefined;
  /** It does not fire before it is started, by `SchedulerRegistry` or `LeaderCronJobs`. */
  readonly disabled?: boolean | undefined;
  /** The `name` of the `LeaderModule` that is meant. */
  readonly leaders?: string | undefined;
}

const DECORATOR = '@LeaderCron()';

const LATE_MS_DEFAULT = 5_000;
const HISTORY_DEFAULT = 20;
/** A record is read and written whole, with each fire. */
const HISTORY_MAX = 1_000;

/**
 * Runs the method at the times of a cron expression, on the leader of a role and nowhere else; the
 * application takes part for the role.
 *
 * Each time is begun at most once in the whole ensemble: before the method runs, the leader writes that it
 * does, in a transaction that the servers apply only while it leads. So a new leader knows what was
 * missed, and does about it what `misfire` says. If a leader dies, or loses the role, after that and
 * before the method has ended, the fire is `interrupted`: it may have done all, some or nothing of its
 * work, and is not repeated unless `interrupted` says so.
 *
 * One fire ends before the next begins. Inside, `currentTerm()` or a parameter under `Term` gives the term. With `ScheduleModule` in
 * the application the job stands in its `SchedulerRegistry`, by its name. A method called directly is
 * not guarded; see `LeaderOnly`.
 *
 * @param expression As `@Cron` takes it: five or six fields, or `CronExpression`.
 * @throws {LeaderSetupError} when the class is defined.
 *
 * @example
 * \@LeaderCron('0 3 * * *', { name: 'nightly', role: 'reports', misfire: 'run-once' })
 * async nightly(): Promise<void> {}
 */
export function LeaderCron(expression: string, options: LeaderCronOptions = {}): MethodDecorator {
  return (target, key, descriptor) => {
    const { role = 'cron' } = Object(options) as LeaderCronOptions;
    const decoration = { decorator: DECORATOR, role, options };
    const found = leaderMethodOf(decoration, target, key, descriptor);
    const { refuse, module } = found;
    const { name = null, timeZone = 'UTC', history = HISTORY_DEFAULT, disabled = false } = options;
    const { misfire = 'skip', interrupted = 'leave' } = options;
    checkWay(found, 'misfire', misfire, ['skip', 'run-once', 'run-all']);
    checkWay(found, 'interrupted', interrupted, ['leave', 'run-again']);
    if (typeof disabled !== 'boolean') refuse(`disabled must be a boolean, not ${shown(disabled)}`);
    if (!Number.isInteger(history) || history < 1 || history > HISTORY_MAX) {
      refuse(`history must be a whole number from 1 to ${HISTORY_MAX}, not ${shown(history)}`);
    }
    const problem = name === null ? null : nameProblem(name);
    if (problem !== null) refuse(`its name ${shown(name)} cannot be that of a node: ${problem}`);
    RUNNERS.require(target, { decorator: DECORATOR, method: found.name, module });
    CRON_MARKS.add(target, key, {
      name,
      role,
      module,
      schedule: scheduleOf(expression, timeZone, refuse),
      misfire,
      interrupted,
      lateMs: durationOptionMs('late', options.late, refuse) ?? LATE_MS_DEFAULT,
      history,
      isDisabled: disabled,
      terms: TERMS.claim(target, key),
    });
  };
}

function scheduleOf(
  expression: string,
  timeZone: string,
  refuse: (problem: string) => never,
): CronSchedule {
  for (const [what, given] of Object.entries({ expression, timeZone })) {
    if (typeof given !== 'string') refuse(`its ${what} must be a string, not ${shown(given)}`);
  }
  try {
    return new CronSchedule(expression, timeZone);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(`${shown(expression)} in ${shown(timeZone)} is no time to fire at: ${reason}`);
  }
}

/** Why a job cannot be called so; null: it can. */
function nameProblem(name: unknown): string | null {
  if (typeof name !== 'string') return 'it is no string';
  if (name === '') return 'it is empty';
  return name.includes('/') ? 'it has a slash' : pathProblem(`/${name}`);
}
