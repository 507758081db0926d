import { describe, expect, it } from '@jest/globals';
import { NotReachedError, World } from '@aviary/simulator';

describe('World', () => {
  it('finishes all promise reactions of an event before the next event', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one', { turnUs: 1 }).boot();
    const order: string[] = [];
    const longChain = async () => {
      for (let step = 0; step < 50; step++) await Promise.resolve();
      order.push('reaction');
    };
    clock.setTimer(5, () => void longChain());
    clock.setTimer(5.001, () => order.push('next event'));
    await world.run();
    expect(order).toEqual(['reaction', 'next event']);
  });

  it('lets virtual time pass without real time', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one').boot();
    let isFired = false;
    clock.setTimer(86_400_000, () => {
      isFired = true;
    });
    expect(await world.run({ virtualMsMax: 80_000_000 })).toBe('virtualMsMax');
    expect([isFired, world.virtualMs]).toEqual([false, 80_000_000]);
    expect(await world.run()).toBe('idle');
    expect(isFired).toBe(true);
  });

  it('tells why a run ended', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one').boot();
    let ticks = 0;
    const tick = () => {
      ticks++;
      clock.setTimer(1, tick);
    };
    tick();
    expect(await world.run({ until: () => ticks === 10 })).toBe('until');
    expect(await world.run({ eventsMax: 5 })).toBe('eventsMax');
    expect(ticks).toBe(15);
    expect(await world.step()).toBe(true);
    expect(ticks).toBe(16);
  });

  it('names the seed when something is not reached', async () => {
    const world = new World({ seed: 77 });
    const never = new Promise(() => undefined);
    await expect(world.settle(never)).rejects.toThrow(NotReachedError);
    await expect(world.settle(never)).rejects.toThrow('SEED=77');
    await expect(world.reach(() => false)).rejects.toThrow('idle');
  });

  it('gives what a promise gives, and throws what it throws', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one').boot();
    const later = async (outcome: () => number) => {
      await new Promise<void>((resolve) => clock.setTimer(10, resolve));
      return outcome();
    };
    expect(await world.settle(later(() => 5))).toBe(5);
    const failing = later(() => {
      throw new RangeError('on purpose');
    });
    await expect(world.settle(failing)).rejects.toThrow(RangeError);
  });

  it('stops at what an event throws', async () => {
    const world = new World({ seed: 1 });
    const process = world.addHost('one').boot();
    process.run(() => {
      throw new RangeError('a bug');
    });
    await expect(world.run()).rejects.toThrow('a bug');
  });

  it('checks invariants after every event of a process', async () => {
    const world = new World({ seed: 1 });
    const { clock } = world.addHost('one').boot();
    let value = 0;
    world.check(() => {
      if (value > 2) throw new Error(`value is ${value}`);
    });
    for (let ms = 1; ms <= 5; ms++) clock.setTimer(ms, () => value++);
    await expect(world.run()).rejects.toThrow('value is 3');
    expect(value).toBe(3);
  });

  it('runs at most once at a time', async () => {
    const world = new World({ seed: 1 });
    const first = world.run();
    await expect(world.run()).rejects.toThrow('already runs');
    await first;
  });
});
