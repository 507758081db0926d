import type { CronSchedule } from './cron-schedule.js';

/**
 * What becomes of times that passed while nobody led, or while the fire before still ran. `skip`: they are
 * passed over. `run-once`: the newest of them is made up for. `run-all`: each is, in order.
 */
export type MisfirePolicy = 'skip' | 'run-once' | 'run-all';

/** What is to be done now. */
export type CronPlan =
  | { readonly kind: 'wait'; readonly untilMs: number }
  | {
      readonly kind: 'fire' | 'skip';
      readonly atMs: number;
      /** The first of the times before it that are passed over; null: none. */
      readonly missedSinceMs: number | null;
    };

/**
 * What a leader does that looks at the clock at `nowMs`, when `lastMs` was the newest time decided upon.
 *
 * @param lateMs A time that has passed by no more than this is not missed.
 */
export function planOf(
  schedule: CronSchedule,
  { misfire, lateMs }: { readonly misfire: MisfirePolicy; readonly lateMs: number },
  lastMs: number,
  nowMs: number,
): CronPlan {
  const firstMs = schedule.next(lastMs);
  if (firstMs > nowMs) return { kind: 'wait', untilMs: firstMs };
  if (misfire === 'run-all') return { kind: 'fire', atMs: firstMs, missedSinceMs: null };
  const atMs = schedule.newest(lastMs, nowMs) ?? firstMs;
  const isMissed = misfire === 'skip' && nowMs - atMs > lateMs;
  const missedSinceMs = firstMs === atMs ? null : firstMs;
  return { kind: isMissed ? 'skip' : 'fire', atMs, missedSinceMs };
}
