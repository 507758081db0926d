import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Hierarchy, Majority, type QuorumVerifier } from '../src/index.js';

function quorumsOf(verifier: QuorumVerifier): string[] {
  const { voters } = verifier;
  const found: string[] = [];
  for (let bits = 0; bits < 1 << voters.length; bits++) {
    const set = new Set(voters.filter((_, place) => (bits >> place) & 1));
    if (verifier.isQuorum(set)) found.push([...set].join(' '));
  }
  return found;
}

function group(...weights: readonly [number, number][]): { weights: Map<number, number> } {
  return { weights: new Map(weights) };
}

describe('a majority', () => {
  it('is more than half, of an odd and of an even number', () => {
    expect(quorumsOf(new Majority([1]))).toEqual(['1']);
    expect(quorumsOf(new Majority([1, 2]))).toEqual(['1 2']);
    expect(quorumsOf(new Majority([3, 1, 2]))).toEqual(['1 2', '1 3', '2 3', '1 2 3']);
    expect(new Majority([1, 2, 3, 4]).isQuorum(new Set([1, 2]))).toBe(false);
    expect(new Majority([1, 2, 3, 4]).isQuorum(new Set([1, 2, 4]))).toBe(true);
  });

  it('does not count those who have no vote', () => {
    const verifier = new Majority([1, 2, 3]);
    expect(verifier.isQuorum(new Set([1, 7, 8, 9]))).toBe(false);
    expect(verifier.weightOf(2)).toBe(1);
    expect(verifier.weightOf(7)).toBe(0);
    expect(verifier.isVoter(7)).toBe(false);
  });
});

describe('a hierarchy', () => {
  const threeSites = new Hierarchy([
    group([1, 1], [2, 1], [3, 1]),
    group([4, 1], [5, 1], [6, 1]),
    group([7, 1], [8, 1], [9, 1]),
  ]);

  it('wants more than half of the weight in more than half of the groups', () => {
    expect(threeSites.isQuorum(new Set([1, 2, 4, 5]))).toBe(true);
    expect(threeSites.isQuorum(new Set([1, 2, 3, 4, 7]))).toBe(false);
  });

  it('leaves out groups without weight, and those who have none', () => {
    const verifier = new Hierarchy([group([1, 2], [2, 1], [3, 0]), group([4, 0])]);
    expect(verifier.voters).toEqual([1, 2, 3, 4]);
    expect(verifier.isQuorum(new Set([1]))).toBe(true);
    expect(verifier.isQuorum(new Set([2, 3, 4]))).toBe(false);
    expect(verifier.weightOf(3)).toBe(0);
  });
});

it('has any two quorums meet', () => {
  const weights = fc.array(
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
    {
      minLength: 1,
      maxLength: 3,
    },
  );
  fc.assert(
    fc.property(weights, (sites) => {
      fc.pre(sites.some((site) => site.some((weight) => weight > 0)));
      let id = 0;
      const verifier = new Hierarchy(
        sites.map((site) => group(...site.map((weight): [number, number] => [++id, weight]))),
      );
      const quorums = quorumsOf(verifier).map((text) => text.split(' '));
      for (const one of quorums) {
        for (const other of quorums)
          expect(one.some((member) => other.includes(member))).toBe(true);
      }
    }),
    { seed: 1 },
  );
});
