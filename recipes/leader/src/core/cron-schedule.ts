import { CronTime } from 'cron';

/** The widest step back in the search for the newest time; beyond it goes to the beginning. */
const FIRST_STEP_MS = 60_000;

/** When a job fires, as its cron expression says: times in milliseconds since 1970. */
export class CronSchedule {
  readonly expression: string;
  readonly timeZone: string;
  private readonly cron: CronTime;

  /**
   * @param timeZone Of the expression; everybody who may lead must take the same.
   * @throws {Error} It is no cron expression, or no such time zone.
   */
  constructor(expression: string, timeZone: string) {
    this.expression = expression;
    this.timeZone = timeZone;
    this.cron = new CronTime(expression, timeZone);
    // An expression that never fires (30 February) is told here, and not in the middle of the night.
    this.next(0);
  }

  /** The first time after `afterMs`. */
  next(afterMs: number): number {
    return this.cron.getNextDateFrom(new Date(afterMs), this.timeZone).toMillis();
  }

  /**
   * The last time after `afterMs` and not after `untilMs`; null: none. Looks back from the end in growing
   * steps, so that a job that fires each second costs no more after a week than after a minute.
   */
  newest(afterMs: number, untilMs: number): number | null {
    for (let stepMs = FIRST_STEP_MS; ; stepMs *= 2) {
      const fromMs = Math.max(afterMs, untilMs - stepMs);
      let foundMs: number | null = null;
      for (let atMs = this.next(fromMs); atMs <= untilMs; atMs = this.next(atMs)) foundMs = atMs;
      if (foundMs !== null || fromMs === afterMs) return foundMs;
    }
  }
}
