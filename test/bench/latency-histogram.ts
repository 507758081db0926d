const STEPS_PER_DOUBLING = 32;
const SMALLEST_MS = 0.001;
const BUCKETS = STEPS_PER_DOUBLING * 28;

/** Latencies in buckets that grow by two hundredths: percentiles without keeping every value. */
export class LatencyHistogram {
  private readonly counts = new Float64Array(BUCKETS);
  private total = 0;

  note(ms: number): void {
    const doublings = Math.log2(Math.max(ms, SMALLEST_MS) / SMALLEST_MS);
    const bucket = Math.min(Math.floor(doublings * STEPS_PER_DOUBLING), BUCKETS - 1);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.total++;
  }

  /** The latency that `percent` of all are not above, in milliseconds. */
  percentile(percent: number): number {
    let left = (this.total * percent) / 100;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.counts[bucket] ?? 0;
      if (left <= 0) return SMALLEST_MS * 2 ** ((bucket + 1) / STEPS_PER_DOUBLING);
    }
    return 0;
  }
}
