/** Shortest, longest and mean time from a request to its answer, in milliseconds. */
export class LatencyMeter {
  count = 0;
  minMs = 0;
  maxMs = 0;
  private totalMs = 0;

  note(tookMs: number): void {
    this.minMs = this.count === 0 ? tookMs : Math.min(this.minMs, tookMs);
    if (tookMs > this.maxMs) this.maxMs = tookMs;
    this.totalMs += tookMs;
    this.count++;
  }

  /** Counts `requests` that were answered in the turn in which they came. */
  noteAtOnce(requests: number): void {
    if (requests <= 0) return;
    this.minMs = 0;
    this.count += requests;
  }

  get meanMs(): number {
    return this.count === 0 ? 0 : this.totalMs / this.count;
  }

  reset(): void {
    this.count = 0;
    this.minMs = 0;
    this.maxMs = 0;
    this.totalMs = 0;
  }
}
