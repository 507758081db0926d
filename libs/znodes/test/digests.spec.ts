import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CRC32_START, crc32Update, crc32Value } from '../src/crc32.js';
import { DataTree } from '../src/data-tree.js';
import { TreeDigest } from '../src/tree-digest.js';

const PROPERTY = { seed: 20_261_125, numRuns: 200 };

function crcOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return crc32Value(crc32Update(CRC32_START, bytes, start, end));
}

describe('crc32', () => {
  it('is that of the standard check value', () => {
    expect(crcOf(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926);
    expect(crcOf(new Uint8Array(0))).toBe(0);
  });

  it('is that of zlib, for any bytes and any part of them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(70), fc.nat(70), (bytes, a, b) => {
        const start = Math.min(a, b, bytes.length);
        const end = Math.min(Math.max(a, b), bytes.length);
        expect(crcOf(bytes, start, end)).toBe(crc32(bytes.subarray(start, end)));
      }),
      PROPERTY,
    );
  });

  it('may be fed in pieces, wherever they are cut', () => {
    const bytes = Uint8Array.from({ length: 40 }, (_, i) => i * 7);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const first = crc32Update(CRC32_START, bytes, 0, cut);
      expect(crc32Value(crc32Update(first, bytes, cut, bytes.length))).toBe(crc32(bytes));
    }
  });
});

describe('the sum of digests', () => {
  const nodeDigest = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  );

  it('is taken modulo 2^64, whatever is added and taken away', () => {
    const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
    const change = fc.record({ isAdded: fc.boolean(), digest: nodeDigest });
    fc.assert(
      fc.property(int64, fc.array(change), (start, changes) => {
        const sum = new TreeDigest();
        sum.set(Number(start >> 32n), Number(start & 0xffff_ffffn));
        let expected = start;
        for (const { isAdded, digest } of changes) {
          if (isAdded) sum.add(digest);
          else sum.subtract(digest);
          expected += isAdded ? BigInt(digest) : -BigInt(digest);
        }
        expect(sum.toBigInt()).toBe(BigInt.asIntN(64, expected));
      }),
      PROPERTY,
    );
  });

  it('wraps around both ends of 64 bits', () => {
    const sum = new TreeDigest();
    sum.subtract(1);
    expect([sum.toBigInt(), sum.equals(-1, -1), sum.equals(0xffff_ffff, 0xffff_ffff)]).toEqual([
      -1n,
      true,
      true,
    ]);
    sum.add(2);
    expect(sum.toBigInt()).toBe(1n);
    sum.set(0x7fff_ffff, 0xffff_ffff);
    sum.add(1);
    expect(sum.toBigInt()).toBe(-(1n << 63n));
    sum.subtract(1);
    expect(sum.toBigInt()).toBe((1n << 63n) - 1n);
  });

  it('is equal to another only in both halves', () => {
    const sum = new TreeDigest();
    sum.set(3, 4);
    expect([sum.equals(3, 4), sum.equals(3, 5), sum.equals(2, 4)]).toEqual([true, false, false]);
    const copy = new TreeDigest();
    copy.copy(sum);
    sum.add(1);
    expect([copy.equals(3, 4), sum.equals(3, 5)]).toEqual([true, true]);
  });
});

describe('the digest of a fresh tree', () => {
  it('is that of ZooKeeper', () => {
    expect(DataTree.fresh({ seed: 1 }).digest.toBigInt()).toBe(1_371_985_504n);
  });

  it('is told to be right or wrong when it is computed anew', () => {
    const tree = DataTree.fresh({ seed: 1 });
    expect(tree.recomputeDigest()).toBe(true);
    tree.digest.add(1);
    expect(tree.recomputeDigest()).toBe(false);
    expect(tree.recomputeDigest()).toBe(true);
  });
});
