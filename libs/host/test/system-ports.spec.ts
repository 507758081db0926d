import { describe, expect, it } from '@jest/globals';
import { randomBelow } from '@aviary/foundation';
import { SystemClock, SystemRandom } from '@aviary/host';

const clock = new SystemClock();

function fires(delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

describe('SystemClock', () => {
  it('never fires a timer before its time, not by a fraction', async () => {
    for (let round = 0; round < 60; round++) {
      const delayMs = (round % 6) + round / 60;
      const startMs = clock.monotonicMs();
      await fires(delayMs);
      expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(delayMs);
    }
  });

  it('does not take a very long delay for none', async () => {
    let hasFired = false;
    const timers = [2 ** 31, 2 ** 40, Infinity].map((delayMs) =>
      clock.setTimer(delayMs, () => (hasFired = true)),
    );
    await fires(20);
    expect(hasFired).toBe(false);
    for (const timer of timers) timer.cancel();
  });

  it('fires a delay of zero or less later, not within the call', async () => {
    let hasFired = false;
    const timers = [0, -5].map(
      (delayMs) =>
        new Promise<void>((resolve) =>
          clock.setTimer(delayMs, () => {
            hasFired = true;
            resolve();
          }),
        ),
    );
    expect(hasFired).toBe(false);
    await Promise.all(timers);
  });

  it('cancels a timer, at any time and more than once', async () => {
    let fired = 0;
    const timer = clock.setTimer(1, () => fired++);
    timer.cancel();
    timer.cancel();
    const done = clock.setTimer(0, () => fired++);
    await fires(10);
    done.cancel();
    expect(fired).toBe(1);
  });

  it('ends the turn after what was queued in it', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      clock.atEndOfTurn(() => {
        order.push('end of turn');
        resolve();
      });
      queueMicrotask(() => order.push('microtask'));
      process.nextTick(() => order.push('tick'));
      order.push('now');
    });
    expect(order.at(0)).toBe('now');
    expect(order.at(-1)).toBe('end of turn');
    expect(order).toHaveLength(4);
  });

  it('tells the time of the day in milliseconds since 1970', () => {
    expect(Math.abs(clock.wallMs() - Date.now())).toBeLessThan(1000);
  });
});

describe('SystemRandom', () => {
  const random = new SystemRandom();

  it('begins with a number', () => {
    for (let at = 0; at < 3; at++) expect(new SystemRandom().uint32()).toBeLessThan(2 ** 32);
  });

  it('gives no byte twice, whatever is asked for in between', () => {
    const draws = Array.from({ length: 2_000 }, (_, at) => {
      const id = Buffer.from(random.bytes(16)).toString('hex');
      if (at % 3 === 0) random.uint32();
      expect(random.bytes(at % 200)).toHaveLength(at % 200);
      return id;
    });
    expect(new Set(draws).size).toBe(draws.length);
  });

  it('gives bytes that nobody else can change', () => {
    const first = random.bytes(8);
    const before = Buffer.from(first).toString('hex');
    random.bytes(8).fill(0);
    expect(first.buffer.byteLength).toBe(8);
    expect(Buffer.from(first).toString('hex')).toBe(before);
  });

  it('draws numbers of 32 bits that use all of them', () => {
    let or = 0;
    let and = -1;
    for (let draw = 0; draw < 5000; draw++) {
      const number = random.uint32();
      expect(Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff).toBe(true);
      or |= number;
      and &= number;
    }
    expect([or, and]).toEqual([-1, 0]);
    expect(randomBelow(random, 1)).toBe(0);
  });

  it('gives as many bytes as were asked for, different ones each time', () => {
    expect(random.bytes(0)).toHaveLength(0);
    const first = Buffer.from(random.bytes(16));
    expect(first).toHaveLength(16);
    expect(first.equals(Buffer.from(random.bytes(16)))).toBe(false);
  });
});
