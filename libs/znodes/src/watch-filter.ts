const COUNTERS = 1 << 16;

/**
 * Counts, by hash, the paths that somebody watches: a change of an unwatched path, which is nearly
 * every change, is told apart without making a string of the path.
 */
export class WatchFilter {
  private readonly counters = new Uint32Array(COUNTERS);

  add(hash: number): void {
    this.counters[hash & (COUNTERS - 1)]++;
  }

  remove(hash: number): void {
    this.counters[hash & (COUNTERS - 1)]--;
  }

  /** false: nobody watches a path with this hash. true: perhaps somebody does. */
  mayHave(hash: number): boolean {
    return this.counters[hash & (COUNTERS - 1)] !== 0;
  }
}
