import { pathProblem } from '@aviary/foundation';
import {
  DEFAULT_MODULE,
  durationOptionMs,
  markedMethodOf,
  type Duration,
  type MethodDecoration,
} from '@aviary/nest';
import type { MisfirePolicy } from '../core/cron-plan.js';
import { CronSchedule } from '../core/cron-schedule.js';
import { CRON_MARKS } from './leader-marks.js';
import { RUNNERS } from './leader-runner.js';
import { LeaderSetupError } from './leader-setup-error.js';

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

const DECORATION: MethodDecoration = {
  decorator: '@LeaderCron()',
  SetupError: LeaderSetupError,
  whyNotStatic: 'a static method has no application that could lead',
  whyNotGenerator: 'a generator would only be made, and nobody would run it',
};

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
 * One fire ends before the next begins. Inside, `currentTerm()` gives the term. With `ScheduleModule` in
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
    const { name: method } = markedMethodOf(DECORATION, target, key, descriptor);
    const refuse = (problem: string): never => {
      throw new LeaderSetupError(`${DECORATION.decorator} on ${method}: ${problem}`);
    };
    const { name = null, role = 'cron', timeZone = 'UTC', history = HISTORY_DEFAULT } = options;
    const { misfire = 'skip', interrupted = 'leave' } = options;
    const checkWay = (option: string, given: string, ways: readonly string[]) => {
      if (!ways.includes(given)) refuse(`${option} has no way "${given}"`);
    };
    checkWay('misfire', misfire, ['skip', 'run-once', 'run-all']);
    checkWay('interrupted', interrupted, ['leave', 'run-again']);
    if (typeof role !== 'string' || role === '') refuse('its role must be a string, and not empty');
    if (!Number.isInteger(history) || history < 1 || history > HISTORY_MAX) {
      refuse(`history must be a whole number from 1 to ${HISTORY_MAX}, not ${String(history)}`);
    }
    const problem = name === null ? null : nameProblem(name);
    if (problem !== null) refuse(`its name "${String(name)}" cannot be that of a node: ${problem}`);
    const { decorator } = DECORATION;
    const module = options.leaders ?? DEFAULT_MODULE;
    RUNNERS.require(target, { decorator, method, module });
    CRON_MARKS.add(target, key, {
      name,
      role,
      module,
      schedule: scheduleOf(expression, timeZone, refuse),
      misfire,
      interrupted,
      lateMs: durationOptionMs('late', options.late, refuse) ?? LATE_MS_DEFAULT,
      history,
      isDisabled: options.disabled ?? false,
    });
  };
}

function scheduleOf(
  expression: string,
  timeZone: string,
  refuse: (problem: string) => never,
): CronSchedule {
  try {
    return new CronSchedule(expression, timeZone);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(`"${expression}" in ${timeZone} is no time to fire at: ${reason}`);
  }
}

/** Why a job cannot be called so; null: it can. */
function nameProblem(name: unknown): string | null {
  if (typeof name !== 'string' || name === '') return 'it is empty';
  return name.includes('/') ? 'it has a slash' : pathProblem(`/${name}`);
}
