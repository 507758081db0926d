import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Arena, offsetOf, slabOf } from '../src/arena.js';

const SHARED_BYTES_MAX = 256 * 1024;
/** The first slab whose addresses have their top bit set. */
const SLAB_AT_2_31 = 1 << 14;
const SLABS_MAX = 1 << 15;

/** The block as a view: all bytes that the arena says it has. */
function blockOf(arena: Arena, address: number, length: number): Uint8Array {
  const start = offsetOf(address);
  return arena.slabs[slabOf(address)]!.subarray(start, start + Arena.capacityFor(length));
}

/** Every capacity that a block for 0 to `most` bytes can have. */
function capacitiesUpTo(most: number): number[] {
  const capacities = new Set<number>();
  for (let length = 0; length <= most; length++) capacities.add(Arena.capacityFor(length));
  return [...capacities];
}

/** An arena that already has `slabs` slabs, of no bytes each. */
function arenaWithSlabs(slabs: number): Arena {
  const arena = new Arena();
  for (let i = 0; i < slabs; i++) {
    arena.slabs.push(new Uint8Array(0));
    arena.slabWords.push(new Int32Array(0));
  }
  return arena;
}

describe('the capacity of a block', () => {
  it('is enough, a multiple of eight, and wastes little', () => {
    for (let length = 0; length <= SHARED_BYTES_MAX + 4096; length++) {
      const capacity = Arena.capacityFor(length);
      const waste = capacity - length;
      const wasteMax = Math.max(8, length / 8);
      if (waste < 0 || waste > wasteMax || capacity % 8 !== 0) {
        throw new Error(`a block for ${length} bytes has ${capacity}`);
      }
    }
  });

  it('never falls with the length, and is its own capacity', () => {
    const capacities = capacitiesUpTo(SHARED_BYTES_MAX + 4096);
    expect(capacities).toEqual([...capacities].sort((a, b) => a - b));
    expect(capacities.map((capacity) => Arena.capacityFor(capacity))).toEqual(capacities);
  });
});

describe('an arena', () => {
  it('gives a freed block to the next one of its class, and to no other', () => {
    const arena = new Arena();
    const capacities = capacitiesUpTo(SHARED_BYTES_MAX);
    const addresses = capacities.map((capacity) => arena.allocate(capacity));
    capacities.forEach((capacity, i) => arena.free(addresses[i]!, capacity));
    const again = [...capacities].reverse().map((capacity) => arena.allocate(capacity));
    expect(again.reverse()).toEqual(addresses);
  });

  it('gives back the blocks of a class, the latest first', () => {
    const arena = new Arena();
    const blocks = [arena.allocate(100), arena.allocate(100), arena.allocate(100)];
    for (const block of blocks) arena.free(block, 100);
    expect([arena.allocate(98), arena.allocate(104), arena.allocate(97)]).toEqual(blocks.reverse());
    expect(blocks).not.toContain(arena.allocate(100));
  });

  it('gives a huge block a slab of its own, and its memory back', () => {
    const arena = new Arena();
    const small = arena.allocate(10);
    const huge = arena.allocate(5_000_000);
    expect(blockOf(arena, huge, 5_000_000)).toHaveLength(5_000_000);
    arena.free(huge, 5_000_000);
    expect(arena.slabs[slabOf(huge)]).toHaveLength(0);
    const next = arena.allocate(SHARED_BYTES_MAX + 1);
    expect(slabOf(next)).toBe(slabOf(huge));
    expect(slabOf(next)).not.toBe(slabOf(small));
  });

  it('never hands out address 0, which means none', () => {
    for (const first of [1, 1024, SHARED_BYTES_MAX, SHARED_BYTES_MAX + 1]) {
      const arena = new Arena();
      expect([arena.allocate(first), arena.allocate(8), arena.allocate(8)]).not.toContain(0);
    }
  });

  it('counts the bytes that are handed out', () => {
    const arena = new Arena();
    const small = arena.allocate(9);
    const huge = arena.allocate(1_000_001);
    expect(arena.bytesUsed).toBe(16 + 1_000_008);
    arena.free(huge, 1_000_001);
    arena.free(small, 9);
    expect(arena.bytesUsed).toBe(0);
  });
});

describe('an arena of more than sixteen gigabytes', () => {
  it('has positive addresses whose blocks do not meet', () => {
    const arena = arenaWithSlabs(SLAB_AT_2_31);
    const addresses = [arena.allocate(64), arena.allocate(300_000), arena.allocate(64)];
    for (const address of addresses) expect(address).toBeGreaterThanOrEqual(2 ** 31);
    addresses.forEach((address, i) => blockOf(arena, address, 64).fill(i + 1));
    const seen = addresses.map((address) => [...new Set(blockOf(arena, address, 64))]);
    expect(seen).toEqual([[1], [2], [3]]);
  });

  it('finds its freed blocks again', () => {
    const arena = arenaWithSlabs(SLAB_AT_2_31);
    const blocks = [1, 2, 3].map(() => arena.allocate(40));
    for (const block of blocks) arena.free(block, 40);
    expect([1, 2, 3].map(() => arena.allocate(40))).toEqual(blocks.reverse());
  });

  it('says that it is full when addresses end', () => {
    const arena = arenaWithSlabs(SLABS_MAX - 1);
    expect(arena.allocate(300_000)).toBeLessThan(2 ** 32);
    expect(() => arena.allocate(300_000)).toThrow('32 GiB');
    expect(() => arena.allocate(8)).toThrow('32 GiB');
  });
});

interface Block {
  readonly address: number;
  readonly length: number;
  readonly mark: number;
}

/** Holds the arena against an allocator that simply remembers what every block should contain. */
class CheckedArena {
  private readonly arena = new Arena();
  private readonly blocks: Block[] = [];
  private marks = 0;

  allocate(length: number): void {
    const mark = (this.marks++ % 255) + 1;
    const address = this.arena.allocate(length);
    const block = blockOf(this.arena, address, length);
    expect(block).toHaveLength(Arena.capacityFor(length));
    block.fill(mark);
    this.blocks.push({ address, length, mark });
  }

  free(choice: number): void {
    if (this.blocks.length === 0) return;
    const [block] = this.blocks.splice(choice % this.blocks.length, 1);
    this.check(block!);
    this.arena.free(block!.address, block!.length);
  }

  checkAll(): void {
    for (const block of this.blocks) this.check(block);
    const total = this.blocks.reduce((sum, { length }) => sum + Arena.capacityFor(length), 0);
    expect(this.arena.bytesUsed).toBe(total);
  }

  private check({ address, length, mark }: Block): void {
    const isIntact = blockOf(this.arena, address, length).every((byte) => byte === mark);
    if (!isIntact) throw new Error(`the block of ${length} bytes at ${address} was written over`);
  }
}

describe('blocks', () => {
  it('never overlap, whatever is allocated and freed', () => {
    const length = fc.oneof(
      { weight: 6, arbitrary: fc.nat(2000) },
      { weight: 3, arbitrary: fc.constantFrom(1016, 1024, 1025, 1152, 1153, 2048, 2049) },
      { weight: 1, arbitrary: fc.integer({ min: 100_000, max: SHARED_BYTES_MAX + 40_000 }) },
    );
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ allocate: length }) },
      { weight: 2, arbitrary: fc.record({ free: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const arena = new CheckedArena();
        for (const each of steps) {
          if ('allocate' in each) arena.allocate(each.allocate);
          else arena.free(each.free);
        }
        arena.checkAll();
      }),
      { seed: 20_261_122, numRuns: 60 },
    );
  });
});
