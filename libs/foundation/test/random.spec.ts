import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { randomBelow, randomUuid, shuffle, type Random } from '@aviary/foundation';

const PROPERTY = { seed: 20_240_229, numRuns: 1000 };

/** Draws the given numbers, then zeros. */
function scripted(...draws: number[]): Random {
  return { uint32: () => draws.shift() ?? 0, bytes: (length) => new Uint8Array(length) };
}

/** A linear congruential generator: good enough to tell uniform from not. */
function congruential(seed: number): Random {
  let state = seed;
  return {
    uint32: () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state;
    },
    bytes: (length) => new Uint8Array(length),
  };
}

describe('randomBelow', () => {
  it('is an integer from 0 to limit - 1, for the extreme draws too', () => {
    const limit = fc.oneof(fc.integer({ min: 1, max: 2 ** 32 }), fc.constantFrom(1, 2, 2 ** 32));
    const draw = fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff));
    fc.assert(
      fc.property(limit, draw, (below, number) => {
        const found = randomBelow(scripted(number), below);
        expect(Number.isInteger(found)).toBe(true);
        expect(found).toBeGreaterThanOrEqual(0);
        expect(found).toBeLessThan(below);
      }),
      PROPERTY,
    );
  });

  it('reaches both ends', () => {
    expect(randomBelow(scripted(0), 10)).toBe(0);
    expect(randomBelow(scripted(0xffff_ffff), 10)).toBe(9);
    expect(randomBelow(scripted(0xffff_ffff), 2 ** 32)).toBe(0xffff_ffff);
  });

  it('meets every number about equally often', () => {
    const random = congruential(7);
    const met = new Array<number>(6).fill(0);
    for (let draw = 0; draw < 60_000; draw++) met[randomBelow(random, 6)]! += 1;
    for (const times of met) expect(Math.abs(times - 10_000)).toBeLessThan(500);
  });
});

describe('randomUuid', () => {
  const of = (byte: number) =>
    randomUuid({ uint32: () => 0, bytes: (length) => new Uint8Array(length).fill(byte) });

  it('is the bytes that were drawn, with the bits of version 4 and variant 10', () => {
    expect(of(0)).toBe('00000000-0000-4000-8000-000000000000');
    expect(of(0xff)).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
    const bytes = Uint8Array.from({ length: 16 }, (_, at) => at * 0x11);
    expect(randomUuid({ uint32: () => 0, bytes: () => bytes })).toBe(
      '00112233-4455-4677-8899-aabbccddeeff',
    );
  });

  it('leaves what it was given as it was', () => {
    const bytes = new Uint8Array(16).fill(0xff);
    randomUuid({ uint32: () => 0, bytes: () => bytes });
    expect(bytes).toEqual(new Uint8Array(16).fill(0xff));
  });
});

describe('shuffle', () => {
  it('keeps every item, in the same array', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
        const shuffled = [...items];
        expect(shuffle(congruential(seed), shuffled)).toBe(shuffled);
        expect([...shuffled].sort()).toEqual([...items].sort());
      }),
      PROPERTY,
    );
  });

  it('meets every order of three about equally often', () => {
    const random = congruential(11);
    const met = new Map<string, number>();
    for (let round = 0; round < 60_000; round++) {
      const order = shuffle(random, ['a', 'b', 'c']).join('');
      met.set(order, (met.get(order) ?? 0) + 1);
    }
    expect(met.size).toBe(6);
    for (const times of met.values()) expect(Math.abs(times - 10_000)).toBeLessThan(500);
  });
});
