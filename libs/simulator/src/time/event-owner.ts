import type { SeededRandom } from '../seeded-random.js';
import type { SimulatedEvent } from './event-queue.js';
import type { Timeline } from './timeline.js';

/** What an event loop is made of. */
export interface EventOwnerOptions {
  readonly name: string;
  /**
   * Length of a turn. Events fall on the turns of their owner, so that several share one moment
   * and `atEndOfTurn` has something to gather. 1: no two events share a moment on purpose.
   */
  readonly turnUs: number;
  /** Chooses the phase of the turns and the order in which held events come after a pause. */
  readonly random: SeededRandom;
}

/** The event loop of one process, from its start to its death. */
export class EventOwner {
  readonly name: string;
  private readonly timeline: Timeline;
  private readonly turnUs: number;
  private readonly phaseUs: number;
  private readonly random: SeededRandom;
  private held: SimulatedEvent[] = [];
  private alive = true;
  private paused = false;

  constructor(timeline: Timeline, options: EventOwnerOptions) {
    this.timeline = timeline;
    this.name = options.name;
    this.turnUs = options.turnUs;
    this.random = options.random;
    this.phaseUs = options.random.below(options.turnUs);
  }

  get isAlive(): boolean {
    return this.alive;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /** Runs `action` in the first turn that starts `delayUs` from now or later. */
  post(delayUs: number, action: () => void, isTimer = false): SimulatedEvent {
    const now = this.timeline.nowUs;
    const dueUs = now + delayUs;
    const turns = Math.ceil((dueUs - this.phaseUs) / this.turnUs);
    const atUs = turns * this.turnUs + this.phaseUs;
    return this.timeline.schedule(atUs - now, this, action, isTimer);
  }

  /** Runs `action` after all that is already due at this very moment. */
  postAtEndOfTurn(action: () => void): void {
    this.timeline.schedule(0, this, action);
  }

  /** Keeps an event that came while the process was paused. */
  hold(event: SimulatedEvent): void {
    event.state = 'held';
    this.held.push(event);
  }

  pause(): void {
    this.paused = true;
  }

  /**
   * Goes on; what was held happens now. Whether late timers or late input come first depends on
   * where the event loop was stopped, so it is drawn.
   */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const waiting = this.held.filter((event) => event.state === 'held');
    this.held = [];
    for (const event of this.inOrderOfResume(waiting)) this.timeline.release(event);
  }

  /** Ends the process: nothing of it happens any more. */
  kill(): void {
    this.alive = false;
    this.paused = false;
    this.held = [];
    this.timeline.dropAllOf(this);
  }

  private inOrderOfResume(events: SimulatedEvent[]): SimulatedEvent[] {
    const timers = events.filter((event) => event.isTimer);
    const input = events.filter((event) => !event.isTimer);
    switch (this.random.below(3)) {
      case 0:
        return [...timers, ...input];
      case 1:
        return [...input, ...timers];
      default:
        return events;
    }
  }
}
