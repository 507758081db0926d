import { describe, expect, it } from '@jest/globals';
import { World } from '@aviary/simulator';

describe('SimulatedClock', () => {
  it('has a wall clock that is off and steps, and monotonic time that does neither', async () => {
    const world = new World({ seed: 1 });
    const exact = world.addHost('exact', { wallOffsetMs: 0, driftPpm: 0 });
    const off = world.addHost('off', { wallOffsetMs: -5_000, driftPpm: 0 });
    const clock = exact.boot().clock;
    const offClock = off.boot().clock;
    expect(offClock.wallMs() - clock.wallMs()).toBe(-5_000);
    const before = offClock.monotonicMs();
    const wallBefore = offClock.wallMs();
    off.stepWallClock(3_600_000);
    expect(offClock.wallMs() - wallBefore).toBe(3_600_000);
    off.stepWallClock(-7_200_000);
    await world.run({ virtualMsMax: 1_000 });
    expect(offClock.wallMs() - wallBefore).toBe(1_000 - 3_600_000);
    expect(offClock.monotonicMs() - before).toBeCloseTo(1_000, 6);
  });

  it('keeps the steps of the wall clock over a restart', () => {
    const world = new World({ seed: 1 });
    const host = world.addHost('one', { wallOffsetMs: 0 });
    const before = host.boot().clock.wallMs();
    host.stepWallClock(1234);
    expect(host.restart().clock.wallMs() - before).toBe(1234);
  });

  it('drifts, timers included', async () => {
    const world = new World({ seed: 1 });
    const fast = world.addHost('fast', { driftPpm: 100_000 }).boot().clock;
    const start = fast.monotonicMs();
    let firedAt = 0;
    fast.setTimer(1_100, () => {
      firedAt = fast.monotonicMs();
    });
    await world.run();
    expect(world.virtualMs).toBeGreaterThanOrEqual(1_000);
    expect(world.virtualMs).toBeLessThan(1_001);
    expect(firedAt - start).toBeGreaterThanOrEqual(1_100);
  });

  it('does not compare between machines', () => {
    const world = new World({ seed: 1 });
    const one = world.addHost('one').boot().clock.monotonicMs();
    const two = world.addHost('two').boot().clock.monotonicMs();
    expect(one).not.toBe(two);
  });

  it('gathers what is due at one moment before the end of the turn', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one', { turnUs: 5_000 }).boot();
    const order: string[] = [];
    clock.setTimer(1, () => {
      for (const ms of [1, 2, 3]) {
        clock.setTimer(ms, () => {
          if (order.length === 0) clock.atEndOfTurn(() => order.push('end'));
          order.push('timer');
        });
      }
    });
    await world.run();
    expect(order).toEqual(['timer', 'timer', 'timer', 'end']);
  });

  it('refuses a timer that is not a number', () => {
    const { clock } = new World({ seed: 1 }).addHost('one').boot();
    expect(() => clock.setTimer(NaN, () => undefined)).toThrow('NaN');
  });
});
