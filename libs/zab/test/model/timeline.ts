interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** What will happen, in order of time: a binary heap. */
export class Timeline {
  private readonly heap: Entry[] = [];
  private order = 0;
  nowMs = 0;

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  at(atMs: number, run: () => void): void {
    const { heap } = this;
    const entry = { atMs: Math.max(atMs, this.nowMs), order: this.order++, run };
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
  }

  /** Runs what happens until `untilMs`, or until `isDone`. */
  runUntil(untilMs: number, isDone: () => boolean = () => false): void {
    while (this.heap.length > 0 && this.heap[0]!.atMs <= untilMs) {
      const { atMs, run } = this.take();
      this.nowMs = atMs;
      run();
      if (isDone()) return;
    }
    this.nowMs = untilMs;
  }

  private take(): Entry {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
