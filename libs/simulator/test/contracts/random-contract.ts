import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RandomHarness } from './harness.js';

/** What every {@link Random} does. */
export function describeRandomContract(name: string, make: () => Promise<RandomHarness>): void {
  describe(`Random of ${name}`, () => {
    let harness: RandomHarness;

    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.dispose());

    it('draws every bit of 32 about as often set as not', () => {
      const rounds = 4000;
      const set = new Array<number>(32).fill(0);
      for (let round = 0; round < rounds; round++) {
        const value = harness.random.uint32();
        expect(value >= 0 && value <= 0xffff_ffff && Number.isInteger(value)).toBe(true);
        for (let bit = 0; bit < 32; bit++) {
          if (((value >>> bit) & 1) === 1) set[bit] = (set[bit] ?? 0) + 1;
        }
      }
      // Half the rounds, give or take seven standard deviations.
      for (const count of set) expect(Math.abs(count - rounds / 2)).toBeLessThan(222);
    });

    it('gives as many bytes as asked for, and others each time', () => {
      for (const length of [0, 1, 16, 1000]) {
        expect(harness.random.bytes(length)).toHaveLength(length);
      }
      expect(harness.random.bytes(16)).not.toEqual(harness.random.bytes(16));
    });
  });
}
