import { describe, expect, it } from '@jest/globals';
import { SeededRandom } from '@aviary/simulator';

const draw = (random: SeededRandom, count: number) =>
  Array.from({ length: count }, () => random.uint32());

describe('SeededRandom', () => {
  it('gives the same numbers for the same seed, for ever', () => {
    // Written down once: a change of the generator would give every known seed another meaning.
    expect(draw(new SeededRandom(42), 4)).toEqual([2184695528, 2119989756, 4185843922, 2933763345]);
    expect(draw(new SeededRandom(42), 100)).toEqual(draw(new SeededRandom(42), 100));
    expect(draw(new SeededRandom(42), 4)).not.toEqual(draw(new SeededRandom(43), 4));
  });

  it('forks by name, whatever was drawn before', () => {
    const fresh = new SeededRandom(7);
    const used = new SeededRandom(7);
    draw(used, 50);
    used.fork('somebody new');
    expect(draw(used.fork('disk'), 10)).toEqual(draw(fresh.fork('disk'), 10));
    expect(draw(fresh.fork('disk'), 10)).not.toEqual(draw(fresh.fork('network'), 10));
    expect(draw(fresh.fork('a').fork('b'), 10)).not.toEqual(draw(fresh.fork('b').fork('a'), 10));
  });

  it('stays within bounds and reaches them', () => {
    const random = new SeededRandom(1);
    const seen = new Set<number>();
    for (let round = 0; round < 500; round++) seen.add(random.between(3, 7));
    expect([...seen].sort()).toEqual([3, 4, 5, 6, 7]);
    expect(random.chance(0)).toBe(false);
    expect(random.chance(1)).toBe(true);
  });

  it('takes chances as often as asked', () => {
    const random = new SeededRandom(2);
    let taken = 0;
    for (let round = 0; round < 10_000; round++) if (random.chance(0.2)) taken++;
    // 2000, give or take five standard deviations.
    expect(Math.abs(taken - 2000)).toBeLessThan(200);
  });
});
