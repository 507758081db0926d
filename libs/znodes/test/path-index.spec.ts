import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readInt32, writeInt32 } from '@aviary/foundation';
import { PathIndex } from '../src/path-index.js';

/** Above this share of 1024 slots the first table grows. */
const FIRST_GROWTH = 717;

type Hash = (node: number) => number;

/** A path index beside a plain Set; the "path" of a node is its number, in four bytes. */
class CheckedIndex {
  readonly index: PathIndex;
  private readonly nodes = new Set<number>();
  private readonly path = new Uint8Array(4);
  /** Paths that were read to answer a question: collisions, mostly. */
  comparisons = 0;

  constructor(private readonly hash: Hash) {
    this.index = new PathIndex({
      hasPath: (node, bytes, start, end) => {
        this.comparisons++;
        return end - start === 4 && readInt32(bytes, start) === node;
      },
    });
  }

  insert(node: number): void {
    if (this.nodes.has(node)) return;
    this.nodes.add(node);
    this.index.insert(this.hash(node), node);
  }

  remove(node: number): void {
    if (this.nodes.delete(node)) this.index.remove(this.hash(node), node);
  }

  find(node: number): number {
    writeInt32(this.path, 0, node);
    return this.index.find(this.hash(node), this.path, 0, 4);
  }

  /** Asks for every node below `limit`, those that are not there too. */
  check(limit: number): void {
    expect(this.index.size).toBe(this.nodes.size);
    for (let node = 0; node < limit; node++) {
      const expected = this.nodes.has(node) ? node : -1;
      if (this.find(node) !== expected) throw new Error(`node ${node} is not found as ${expected}`);
    }
  }
}

/** Spreads like a real hash. */
const spread: Hash = (node) => Math.imul(node + 1, 0x9e3779b1);

const hashes: [string, Hash][] = [
  ['a hash that spreads', spread],
  ['a hash of eight values', (node) => Math.imul(node & 7, 0x9e3779b1)],
  ['a hash that always ends at the last slots', (node) => -1 - (node % 3)],
  ['one hash for all', () => 0x7fff_ffff],
];

describe.each(hashes)('an index with %s', (_name, hash) => {
  it('finds what is in it, and nothing else', () => {
    const index = new CheckedIndex(hash);
    for (let node = 0; node < 300; node += 2) index.insert(node);
    index.check(300);
  });

  it('closes the gaps that removals leave', () => {
    const index = new CheckedIndex(hash);
    for (let node = 0; node < 200; node++) index.insert(node);
    for (let node = 0; node < 200; node += 3) {
      index.remove(node);
      index.check(200);
    }
  });

  it('grows while nodes come and go', () => {
    const index = new CheckedIndex(hash);
    for (let node = 0; node < 1000; node++) {
      index.insert(node);
      if (node % 4 === 3) index.remove(node - 3);
    }
    index.check(1000);
  });
});

describe('growth', () => {
  it('moves a part at every insertion, and every question is answered meanwhile', () => {
    const index = new CheckedIndex(spread);
    for (let node = 0; node < FIRST_GROWTH + 40; node++) {
      index.insert(node);
      if (node >= FIRST_GROWTH - 2) index.check(FIRST_GROWTH + 40);
    }
  });

  it('goes on after removals from the part that was not moved yet', () => {
    const index = new CheckedIndex(spread);
    for (let node = 0; node <= FIRST_GROWTH; node++) index.insert(node);
    for (let node = 0; node <= FIRST_GROWTH; node += 2) index.remove(node);
    index.check(FIRST_GROWTH + 1);
    for (let node = 0; node <= FIRST_GROWTH; node += 4) index.insert(node);
    index.check(FIRST_GROWTH + 1);
  });

  it('of a run that goes around the end of the table loses nothing', () => {
    const aroundTheEnd: Hash = (node) => (node < 40 ? 1004 + node : spread(node));
    const index = new CheckedIndex(aroundTheEnd);
    for (let node = 0; node < FIRST_GROWTH + 20; node++) {
      index.insert(node);
      if (node >= FIRST_GROWTH - 2) index.check(FIRST_GROWTH + 20);
    }
  });

  it('keeps the questions cheap: a miss compares hardly a path', () => {
    const index = new CheckedIndex(spread);
    for (let node = 0; node < 20_000; node++) index.insert(node);
    index.comparisons = 0;
    const misses = Array.from({ length: 20_000 }, (_, i) => index.find(20_000 + i));
    expect(new Set(misses)).toEqual(new Set([-1]));
    expect(index.comparisons).toBeLessThan(100);
  });
});

describe('an index beside a Set', () => {
  it('always holds the same', () => {
    const step = fc.record({
      isRemoval: fc.boolean(),
      first: fc.nat(1500),
      count: fc.nat(400),
      stride: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(0, 0, 0, 1, 2),
        fc.array(step, { minLength: 5, maxLength: 10 }),
        (which, steps) => {
          const index = new CheckedIndex(hashes[which]![1]);
          for (const { isRemoval, first, count, stride } of steps) {
            for (let i = 0; i < count; i++) {
              if (isRemoval) index.remove(first + i * stride);
              else index.insert(first + i * stride);
            }
          }
          index.check(3600);
        },
      ),
      { seed: 20_261_123, numRuns: 30 },
    );
  });
});
