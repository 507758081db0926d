import { describe, expect, it } from '@jest/globals';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { ADLER32_START, adler32 } from '@aviary/storage';

function checksum(bytes: Uint8Array): number {
  return adler32(ADLER32_START, bytes, 0, bytes.length);
}

/** zlib's own: the last four bytes of a compressed stream. */
function zlibChecksum(bytes: Uint8Array): number {
  const stream = deflateSync(bytes, { level: 0 });
  return stream.readUInt32BE(stream.length - 4);
}

describe('adler32', () => {
  it.each([
    ['', 0x00000001],
    ['a', 0x00620062],
    ['abc', 0x024d0127],
    ['message digest', 0x29750586],
    ['abcdefghijklmnopqrstuvwxyz', 0x90860b20],
    ['Wikipedia', 0x11e60398],
  ])('of "%s"', (text, expected) => {
    expect(checksum(Buffer.from(text))).toBe(expected);
  });

  // The sums are largest for 0xff, and every length around a block shows a wrong modulus.
  it.each([
    1,
    3,
    4,
    5,
    7,
    8,
    87,
    88,
    89,
    91,
    92,
    93,
    176,
    3583,
    3584,
    3585,
    5552,
    5553,
    65520,
    65521,
    65522,
    1 << 20,
    5_000_011,
  ])('is what zlib says of %i bytes of 0xff', (length) => {
    const bytes = new Uint8Array(length).fill(0xff);
    expect(checksum(bytes)).toBe(zlibChecksum(bytes));
  });

  it('is what zlib says, in one go and in two, from anywhere in the array', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 9_000 }),
        fc.nat(),
        fc.nat(20),
        fc.nat(7),
        (bytes, cut, margin, offset) => {
          const middle = bytes.length === 0 ? 0 : cut % bytes.length;
          const length = bytes.length + 2 * margin;
          const held = new Uint8Array(new ArrayBuffer(offset + length), offset).fill(0xa5);
          held.set(bytes, margin);
          const first = adler32(ADLER32_START, held, margin, margin + middle);
          const both = adler32(first, held, margin + middle, margin + bytes.length);
          expect(both).toBe(zlibChecksum(bytes));
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });
});
