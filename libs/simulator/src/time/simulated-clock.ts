import { assert, type Clock, type Timer } from '@aviary/foundation';
import type { EventOwner } from './event-owner.js';
import type { Timeline } from './timeline.js';

/** Node never waits less, so that a timer of 0 ms cannot stop the time. */
const TIMER_MS_MIN = 1;

/** The wall clock of every world starts at this moment of 2025. */
const WORLD_WALL_MS = 1_750_000_000_000;

/** The clock hardware of a machine: what its processes are told, right or wrong. */
export interface MachineTime {
  /** Monotonic clocks of two machines have nothing in common, not even a beginning. */
  readonly monotonicOriginMs: number;
  /** How much faster than the world's time it runs, in millionths. */
  readonly driftPpm: number;
  /** How far the wall clock is off; an operator or NTP changes it in steps. */
  wallOffsetMs: number;
}

/** A {@link Clock} in virtual time, for one process. */
export class SimulatedClock implements Clock {
  private readonly timeline: Timeline;
  private readonly owner: EventOwner;
  private readonly machine: MachineTime;
  private readonly rate: number;

  constructor(timeline: Timeline, owner: EventOwner, machine: MachineTime) {
    this.timeline = timeline;
    this.owner = owner;
    this.machine = machine;
    this.rate = 1 + machine.driftPpm / 1_000_000;
  }

  monotonicMs(): number {
    return this.machine.monotonicOriginMs + (this.timeline.nowUs / 1000) * this.rate;
  }

  wallMs(): number {
    const passedMs = (this.timeline.nowUs / 1000) * this.rate;
    return Math.floor(WORLD_WALL_MS + passedMs + this.machine.wallOffsetMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    assert(Number.isFinite(delayMs), `a timer of ${delayMs} ms`);
    const waitMs = Math.max(delayMs, TIMER_MS_MIN);
    // One microsecond more, so that rounding never lets the owner see less than it asked for.
    const delayUs = Math.ceil((waitMs * 1000) / this.rate) + 1;
    const event = this.owner.post(delayUs, callback, true);
    return { cancel: () => this.timeline.cancel(event) };
  }

  atEndOfTurn(callback: () => void): void {
    this.owner.postAtEndOfTurn(callback);
  }
}
