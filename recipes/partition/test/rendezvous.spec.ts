import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { definitionOf } from '../src/core/group-record.js';
import { hash32 } from '../src/core/rendezvous.js';
import { shareOut } from '../src/index.js';

const SEED = 20261123;

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 12,
});

describe('the hash', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('of %p with the seed %i is that of MurmurHash3', (text, seed, expected) => {
    expect(hash32(Buffer.from(text), seed)).toBe(expected);
  });
});

describe('sharing out', () => {
  it('gives every item to one of the members, in whatever order they are named', () => {
    fc.assert(
      fc.property(names, names, (items, members) => {
        const owners = shareOut(items, members);
        expect([...owners.keys()].sort()).toEqual([...items].sort());
        expect([...owners.values()].every((owner) => members.includes(owner))).toBe(true);
        expect(shareOut(items, [...members].reverse())).toEqual(owners);
      }),
      { seed: SEED },
    );
  });

  it('moves only what a member that comes gets, and what one that goes had', () => {
    fc.assert(
      fc.property(names, names, fc.nat(), (items, members, at) => {
        const one = members[at % members.length]!;
        const others = members.filter((member) => member !== one);
        const all = shareOut(items, members);
        const without = shareOut(items, others);
        for (const item of items) {
          if (all.get(item) !== one) expect(without.get(item)).toBe(all.get(item));
        }
      }),
      { seed: SEED },
    );
  });

  it('gives nobody much more than the others', () => {
    const { items } = definitionOf(6_000);
    const members = Array.from({ length: 6 }, (_, at) => `worker-${at}`);
    const counts = new Map<string, number>();
    for (const owner of shareOut(items, members).values()) {
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(850);
      expect(count).toBeLessThan(1_150);
    }
  });

  it('gives nothing to nobody', () => {
    expect(shareOut(['a'], []).size).toBe(0);
  });
});

describe('items', () => {
  it('are numbers or names; the same ones have the same fingerprint', () => {
    expect(definitionOf(3).items).toEqual(['0', '1', '2']);
    expect(definitionOf(['b', 'a']).items).toEqual(['a', 'b']);
    expect(definitionOf(['b', 'a'])).toEqual(definitionOf(['a', 'b']));
    expect(definitionOf(['b', 'a']).fingerprint).not.toBe(definitionOf(['c', 'a']).fingerprint);
    expect(definitionOf(2).fingerprint).not.toBe(definitionOf(3).fingerprint);
  });

  it.each<[unknown, RegExp]>([
    [0, /whole number from 1 to 10000, or names, not 0/],
    [1.5, /whole number/],
    [10_001, /whole number/],
    [[], /list of 1 to 10000 names/],
    ['a', /list of 1 to 10000 names/],
    [['a', 'a'], /different from each other/],
    [['a/b'], /"a\/b" must not contain a slash/],
    [['..'], /names of znodes/],
    [[''], /must be a string, and not empty/],
  ])('are not %j', (items, message) => {
    expect(() => definitionOf(items as number)).toThrow(message);
  });
});
