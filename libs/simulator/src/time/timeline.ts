import { AssertionError } from '@aviary/foundation';
import type { EventOwner } from './event-owner.js';
import { EventQueue, type SimulatedEvent } from './event-queue.js';

/** What {@link Timeline.step} did. */
export type StepKind = 'nothing' | 'world' | 'code';

/**
 * Virtual time: one queue of events, in whole microseconds so that sums are exact.
 *
 * Time moves only from one event to the next; while an event is handled it stands still.
 */
export class Timeline {
  private readonly queue = new EventQueue();
  private sequence = 0;
  private us = 0;
  private done = 0;
  private failure: Error | null = null;

  /** Microseconds since the world began. */
  get nowUs(): number {
    return this.us;
  }

  /** Events handled so far. */
  get eventsDone(): number {
    return this.done;
  }

  /** When the next event is due; null: nothing will ever happen. */
  get nextAtUs(): number | null {
    return this.queue.peek()?.atUs ?? null;
  }

  /** Lets `action` happen `delayUs` from now. */
  schedule(
    delayUs: number,
    owner: EventOwner | null,
    action: () => void,
    isTimer = false,
  ): SimulatedEvent {
    const event: SimulatedEvent = {
      atUs: this.us + delayUs,
      sequence: this.sequence++,
      owner,
      isTimer,
      action,
      state: 'over',
      position: 0,
    };
    if (owner === null || owner.isAlive) this.queue.push(event);
    return event;
  }

  /** Lets an event that was held happen now, after all that is already due now. */
  release(event: SimulatedEvent): void {
    event.atUs = this.us;
    event.sequence = this.sequence++;
    this.queue.push(event);
  }

  /** Takes back an event that has not happened; does nothing if it has. */
  cancel(event: SimulatedEvent): void {
    if (event.state === 'queued') this.queue.remove(event);
    event.state = 'over';
  }

  /** Forgets all events of `owner`. */
  dropAllOf(owner: EventOwner): void {
    this.queue.removeAllOf(owner);
  }

  /** Handles the next event, or puts it aside if its owner is paused. */
  step(): StepKind {
    const event = this.queue.pop();
    if (event === undefined) return 'nothing';
    this.us = event.atUs;
    const owner = event.owner;
    if (owner?.isPaused === true) {
      owner.hold(event);
      return 'world';
    }
    this.done++;
    event.action();
    return owner === null ? 'world' : 'code';
  }

  /** Lets time pass without an event. */
  advanceTo(atUs: number): void {
    if (atUs > this.us) this.us = atUs;
  }

  /** Stops the run: the code under test broke a rule of a port. The first report counts. */
  misuse(message: string): void {
    this.failure ??= new AssertionError(message);
  }

  /** What {@link misuse} reported; null: nothing. Asking forgets it. */
  takeFailure(): Error | null {
    const failure = this.failure;
    this.failure = null;
    return failure;
  }
}
