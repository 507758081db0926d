/**
 * A map by session id, which needs all of 64 bits: two maps of 32-bit halves, so that the server
 * never makes a bigint to find a session.
 */
export class SessionMap<V> {
  private readonly byHigh = new Map<number, Map<number, V>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(high: number, low: number): V | undefined {
    return this.byHigh.get(high)?.get(low);
  }

  set(high: number, low: number, value: V): void {
    let byLow = this.byHigh.get(high);
    if (byLow === undefined) {
      byLow = new Map();
      this.byHigh.set(high, byLow);
    }
    if (!byLow.has(low)) this.count++;
    byLow.set(low, value);
  }

  delete(high: number, low: number): boolean {
    const byLow = this.byHigh.get(high);
    if (byLow?.delete(low) !== true) return false;
    this.count--;
    if (byLow.size === 0) this.byHigh.delete(high);
    return true;
  }

  clear(): void {
    this.byHigh.clear();
    this.count = 0;
  }

  /** Calls `visit` for every entry, in no particular order. */
  forEach(visit: (value: V, high: number, low: number) => void): void {
    for (const [high, byLow] of this.byHigh) {
      for (const [low, value] of byLow) visit(value, high, low);
    }
  }
}
