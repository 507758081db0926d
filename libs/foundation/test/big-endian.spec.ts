import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { copyBytes, readInt32, readUint53, writeInt32, writeUint53 } from '@aviary/foundation';

const PROPERTY = { seed: 20_240_229, numRuns: 1000 };

const at = fc.nat({ max: 5 });

describe('32 bits', () => {
  it('are read and written as a DataView does', () => {
    fc.assert(
      fc.property(fc.integer(), at, (value, offset) => {
        const bytes = new Uint8Array(16);
        writeInt32(bytes, offset, value);
        expect(new DataView(bytes.buffer).getInt32(offset)).toBe(value);
        expect(readInt32(bytes, offset)).toBe(value);
        expect(bytes.filter((_, index) => index < offset || index >= offset + 4)).toEqual(
          new Uint8Array(12),
        );
      }),
      PROPERTY,
    );
  });

  it('are the low ones of an unsigned number', () => {
    const bytes = new Uint8Array(4);
    writeInt32(bytes, 0, 0xffff_fffe);
    expect(readInt32(bytes, 0)).toBe(-2);
  });
});

describe('64 bits of an integer below 2^53', () => {
  it('are read and written as a DataView does', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), at, (value, offset) => {
        const bytes = new Uint8Array(16);
        writeUint53(bytes, offset, value);
        expect(new DataView(bytes.buffer).getBigInt64(offset)).toBe(BigInt(value));
        expect(readUint53(bytes, offset)).toBe(value);
      }),
      PROPERTY,
    );
  });

  it.each([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER])(
    'hold %i',
    (value) => {
      const bytes = new Uint8Array(8);
      writeUint53(bytes, 0, value);
      expect(readUint53(bytes, 0)).toBe(value);
    },
  );
});

describe('copyBytes', () => {
  it('copies so many bytes, short or long, and touches no other', () => {
    fc.assert(
      fc.property(fc.nat({ max: 400 }), at, at, (length, fromAt, toAt) => {
        const from = Uint8Array.from({ length: 410 }, (_, index) => (index * 7) % 251);
        const to = new Uint8Array(410).fill(255);
        copyBytes(from, fromAt, to, toAt, length);
        const expected = new Uint8Array(410).fill(255);
        expected.set(from.subarray(fromAt, fromAt + length), toAt);
        expect(Buffer.from(to).equals(Buffer.from(expected))).toBe(true);
      }),
      PROPERTY,
    );
  });
});
