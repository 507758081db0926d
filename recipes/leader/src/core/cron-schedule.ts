import { CronTime } from 'cron';

const MINUTE_MS = 60_000;
/** The widest step back in the search for the newest time; beyond it goes to the beginning. */
const FIRST_STEP_MS = MINUTE_MS;

/** When a job fires, as its cron expression says: times in milliseconds since 1970. */
export class CronSchedule {
  readonly expression: string;
  readonly timeZone: string;
  private readonly cron: CronTime;

  /**
   * @param timeZone Of the expression; everybody who may lead must take the same.
   * @throws {Error} It is no cron expression, no such time zone, or it never fires.
   */
  constructor(expression: string, timeZone: string) {
    this.expression = expression;
    this.timeZone = timeZone;
    this.cron = new CronTime(expression, timeZone);
    this.refuseNever();
  }

  /**
   * The first time after `afterMs`. Where a zone sets its clocks back by less than an hour (Lord Howe),
   * the times that come twice are taken once.
   */
  next(afterMs: number): number {
    for (let fromMs = afterMs; ; fromMs += MINUTE_MS) {
      const atMs = this.cron.getNextDateFrom(new Date(fromMs), this.timeZone).toMillis();
      // Of such a time the other occurrence is told, which lies before it.
      if (atMs > afterMs) return atMs;
    }
  }

  /** An expression that never fires (30 February) is told at once, and not in the middle of the night. */
  private refuseNever(): void {
    try {
      this.next(0);
    } catch (cause) {
      throw new Error('it never fires, since no month that it names has such a day', { cause });
    }
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
