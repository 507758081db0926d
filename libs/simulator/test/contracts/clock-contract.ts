import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ClockHarness } from './harness.js';

/** What every {@link Clock} does while its process runs. */
export function describeClockContract(name: string, make: () => Promise<ClockHarness>): void {
  describe(`Clock of ${name}`, () => {
    let harness: ClockHarness;

    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.dispose());

    it('runs a timer once, not before its time', async () => {
      const { clock } = harness;
      const setAt = clock.monotonicMs();
      const firedAt: number[] = [];
      clock.setTimer(20, () => firedAt.push(clock.monotonicMs()));
      expect(firedAt).toEqual([]);
      let isLate = false;
      clock.setTimer(60, () => {
        isLate = true;
      });
      await harness.until(() => isLate);
      expect(firedAt).toHaveLength(1);
      expect(firedAt[0]).toBeGreaterThanOrEqual(setAt + 20 - harness.earlyMs);
    });

    it('never runs a cancelled timer', async () => {
      const { clock } = harness;
      let isFired = false;
      const timer = clock.setTimer(5, () => {
        isFired = true;
      });
      timer.cancel();
      timer.cancel();
      let isLate = false;
      clock.setTimer(30, () => {
        isLate = true;
      });
      await harness.until(() => isLate);
      expect(isFired).toBe(false);
    });

    it('lets a fired timer be cancelled', async () => {
      let count = 0;
      const timer = harness.clock.setTimer(1, () => count++);
      await harness.until(() => count > 0);
      timer.cancel();
      expect(count).toBe(1);
    });

    it('runs timers in the order of their times', async () => {
      const order: number[] = [];
      for (const ms of [40, 10, 25]) harness.clock.setTimer(ms, () => order.push(ms));
      await harness.until(() => order.length === 3);
      expect(order).toEqual([10, 25, 40]);
    });

    it('never lets monotonic time go back', async () => {
      const { clock } = harness;
      let last = clock.monotonicMs();
      let count = 0;
      const tick = () => {
        expect(clock.monotonicMs()).toBeGreaterThanOrEqual(last);
        last = clock.monotonicMs();
        if (++count < 10) clock.setTimer(1, tick);
      };
      tick();
      await harness.until(() => count === 10);
    });

    it('tells the wall time in whole milliseconds', () => {
      const now = harness.clock.wallMs();
      expect(Number.isInteger(now)).toBe(true);
      expect(now).toBeGreaterThan(Date.UTC(2020));
    });

    it('runs the end of a turn after the code that asked for it, and before later timers', async () => {
      const { clock } = harness;
      const order: string[] = [];
      clock.setTimer(5, () => {
        clock.setTimer(30, () => order.push('later timer'));
        clock.atEndOfTurn(() => order.push('end of turn'));
        order.push('code');
      });
      await harness.until(() => order.length === 3);
      expect(order).toEqual(['code', 'end of turn', 'later timer']);
    });
  });
}
