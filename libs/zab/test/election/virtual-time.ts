interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** In one life of an ensemble: far more than any of ours needs. */
const EVENTS_MAX = 200_000;

/** What happens, in the order of virtual time; at the same moment, in the order of asking for it. */
export class VirtualTime {
  nowMs = 0;
  private readonly heap: Event[] = [];
  private asked = 0;
  private happened = 0;

  after(delayMs: number, run: () => void): void {
    const { heap } = this;
    const event = { atMs: this.nowMs + delayMs, order: this.asked++, run };
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Runs what is due up to `untilMs`, or until `done` says so after an event. */
  run(untilMs: number, done: () => boolean = () => false): boolean {
    while (this.heap.length > 0 && this.heap[0]!.atMs <= untilMs) {
      const event = this.pop();
      this.nowMs = event.atMs;
      if (++this.happened > EVENTS_MAX) throw new Error('everybody talks without end');
      event.run();
      if (done()) return true;
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
    return false;
  }

  private pop(): Event {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isEarlier(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isEarlier(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
