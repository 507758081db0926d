import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventQueue, type SimulatedEvent } from '../src/time/event-queue.js';

function event(atUs: number, sequence: number): SimulatedEvent {
  const fixed = { owner: null, isTimer: false, action: () => undefined };
  return { atUs, sequence, ...fixed, state: 'over', position: 0 };
}

describe('EventQueue', () => {
  it('gives events in order of time and then of scheduling, whichever are taken out', () => {
    const plan = fc.array(fc.record({ atUs: fc.nat(20), isRemoved: fc.boolean() }));
    const property = fc.property(plan, (entries) => {
      const queue = new EventQueue();
      const events = entries.map(({ atUs }, sequence) => event(atUs, sequence));
      for (const each of events) queue.push(each);
      entries.forEach(({ isRemoved }, at) => {
        if (isRemoved) queue.remove(events[at]!);
      });
      const expected = events
        .filter((_, at) => !entries[at]!.isRemoved)
        .sort((a, b) => a.atUs - b.atUs || a.sequence - b.sequence);
      const popped: SimulatedEvent[] = [];
      while (queue.length > 0) {
        expect(queue.peek()).toBe(expected[popped.length]);
        popped.push(queue.pop()!);
      }
      expect(popped).toEqual(expected);
    });
    fc.assert(property, { seed: 1, numRuns: 500 });
  });
});
