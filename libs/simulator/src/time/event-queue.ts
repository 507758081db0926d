import type { EventOwner } from './event-owner.js';

/** Where an event is in its life. */
export type EventState = 'queued' | 'held' | 'over';

/** Something that will happen at one moment of virtual time. */
export interface SimulatedEvent {
  atUs: number;
  /** Breaks ties: of two events at one moment, the one scheduled first happens first. */
  sequence: number;
  /** Whose turn of the event loop this is; null: the world below the processes (kernels, wires). */
  readonly owner: EventOwner | null;
  /** Whether a timer set it, and not input from outside: they change places when a pause ends. */
  readonly isTimer: boolean;
  readonly action: () => void;
  state: EventState;
  /** Index in the heap while `queued`. */
  position: number;
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);
}

/** A binary heap of events in order of time. Events know their place, so that removal is cheap. */
export class EventQueue {
  private heap: SimulatedEvent[] = [];

  get length(): number {
    return this.heap.length;
  }

  peek(): SimulatedEvent | undefined {
    return this.heap[0];
  }

  push(event: SimulatedEvent): void {
    event.state = 'queued';
    this.heap.push(event);
    this.siftUp(event, this.heap.length - 1);
  }

  pop(): SimulatedEvent | undefined {
    const first = this.heap[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes out `event`, which must be queued. */
  remove(event: SimulatedEvent): void {
    event.state = 'over';
    const last = this.heap.pop();
    if (last === undefined || last === event) return;
    const hole = event.position;
    this.siftUp(last, hole);
    if (last.position === hole) this.siftDown(last, hole);
  }

  /** Takes out everything that belongs to `owner`. */
  removeAllOf(owner: EventOwner): void {
    const kept: SimulatedEvent[] = [];
    for (const event of this.heap) {
      if (event.owner === owner) event.state = 'over';
      else kept.push(event);
    }
    this.heap = [];
    for (const event of kept) this.push(event);
  }

  private siftUp(event: SimulatedEvent, from: number): void {
    const heap = this.heap;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      parent.position = at;
      at = above;
    }
    heap[at] = event;
    event.position = at;
  }

  private siftDown(event: SimulatedEvent, from: number): void {
    const heap = this.heap;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        below++;
      }
      if (!isBefore(child, event)) break;
      heap[at] = child;
      child.position = at;
      at = below;
    }
    heap[at] = event;
    event.position = at;
  }
}
