import type { Clock, Timer } from '@aviary/foundation';

const HOUR_MS = 3_600_000;

/** Purges at fixed intervals: `autopurge.purgeInterval`. */
export class PurgeSchedule {
  private timer: Timer | null = null;

  /** @param intervalMs In milliseconds; 0: never; null: after every snapshot, which is not for this. */
  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number | null,
    private readonly purge: () => void,
  ) {}

  start(): void {
    if (this.intervalMs !== null && this.intervalMs > 0) this.wait(this.intervalMs);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  /** One timer cannot count further than 24 days: longer intervals are passed in hours. */
  private wait(leftMs: number): void {
    const stepMs = Math.min(leftMs, HOUR_MS);
    this.timer = this.clock.setTimer(stepMs, () => {
      if (leftMs > stepMs) {
        this.wait(leftMs - stepMs);
      } else {
        this.start();
        this.purge();
      }
    });
  }
}
