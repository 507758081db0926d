import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readInt32, writeInt32 } from '@aviary/foundation';
import { readSnapshot } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { MemoryDisk } from './memory-disk.js';
import { snapshotFileOf } from './snapshot-files.js';

const MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];

function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** The tag of a literal, with as many bytes for its length as `lengthBytes` says. */
function literalTag(length: number, lengthBytes: number): number[] {
  if (lengthBytes === 0) return [(length - 1) << 2];
  return [(59 + lengthBytes) << 2, ...littleEndian(length - 1, lengthBytes)];
}

function copyTag(offset: number, length: number, kind: number): number[] {
  if (kind === 1) return [1 | ((length - 4) << 2) | ((offset >>> 8) << 5), offset & 0xff];
  return [kind | ((length - 1) << 2), ...littleEndian(offset, kind === 2 ? 2 : 4)];
}

/** A block that says `bytes`, with a copy wherever four bytes stand somewhere before. */
function blockOf(bytes: Uint8Array, drawKind: (kinds: number) => number): number[] {
  const block = varint(bytes.length);
  let from = 0;
  const literal = (to: number) => {
    if (to === from) return;
    const length = to - from;
    const shortest = length <= 60 ? 0 : length <= 0x100 ? 1 : length <= 0x1_0000 ? 2 : 3;
    const lengthBytes = shortest + drawKind(5 - shortest);
    block.push(...literalTag(length, lengthBytes), ...bytes.subarray(from, to));
  };
  for (let at = 4; at + 4 <= bytes.length;) {
    const offset = findOffset(bytes, at);
    if (offset === 0) {
      at++;
      continue;
    }
    literal(at);
    let length = 4;
    const fitsKindOne = offset < 2_048;
    const kind = fitsKindOne ? 1 + drawKind(3) : 2 + drawKind(2);
    const longest = kind === 1 ? 11 : 64;
    while (length < longest && bytes[at + length] === bytes[at + length - offset]) length++;
    length = Math.min(length, bytes.length - at);
    block.push(...copyTag(offset, length, kind));
    at += length;
    from = at;
  }
  literal(bytes.length);
  return block;
}

/** How far before `at` the same four bytes stand; 0: nowhere near. An offset below four overlaps. */
function findOffset(bytes: Uint8Array, at: number): number {
  for (let offset = 1; offset <= Math.min(at, 3_000); offset++) {
    if (readInt32(bytes, at) === readInt32(bytes, at - offset)) return offset;
  }
  return 0;
}

function streamOf(blocks: readonly (readonly number[])[]): Uint8Array {
  const header = new Uint8Array(16);
  header.set(MAGIC);
  writeInt32(header, 8, 1);
  writeInt32(header, 12, 1);
  const framed = blocks.map((block) => {
    const length = new Uint8Array(4);
    writeInt32(length, 0, block.length);
    return [...length, ...block];
  });
  return Uint8Array.from([...header, ...framed.flat()]);
}

async function zxidsIn(stream: Uint8Array): Promise<number[]> {
  const disk = new MemoryDisk();
  disk.put('/snapshot.1.snappy', stream);
  const ledger = new Ledger();
  await readSnapshot(disk, '/snapshot.1.snappy', ledger.beginSnapshot());
  return ledger.entries.map(({ zxid }) => zxid);
}

describe('a snappy stream', () => {
  it('is undone with every kind of element in it', async () => {
    const plain = await snapshotFileOf(60);
    const expected = Array.from({ length: 60 }, (_, i) => i + 1);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1_000), { minLength: 50, maxLength: 50 }),
        fc.integer({ min: 1, max: plain.length }),
        async (draws, blockBytes) => {
          let drawn = 0;
          const drawKind = (kinds: number) => draws[drawn++ % draws.length]! % kinds;
          const blocks: number[][] = [];
          for (let at = 0; at < plain.length; at += blockBytes) {
            blocks.push(blockOf(plain.subarray(at, at + blockBytes), drawKind));
          }
          expect(await zxidsIn(streamOf(blocks))).toEqual(expected);
        },
      ),
      { seed: 3, numRuns: 40 },
    );
  });

  it.each([
    ['no magic', Uint8Array.from([1, 2, 3])],
    ['a block longer than the stream', streamOf([varint(5)]).subarray(0, 20)],
    ['a block without its length', streamOf([[]])],
    ['a length that never ends', streamOf([[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]])],
    ['a literal beyond its block', streamOf([[...varint(50), ...literalTag(50, 0), 1, 2]])],
    ['a literal beyond its length', streamOf([[...varint(1), ...literalTag(3, 0), 1, 2, 3]])],
    ['a copy from before the start', streamOf([[...varint(4), ...copyTag(9, 4, 1)]])],
    [
      'a copy from nowhere',
      streamOf([[...varint(5), ...literalTag(1, 0), 7, ...copyTag(0, 4, 1)]]),
    ],
    ['a block that is too short', streamOf([[...varint(9), ...literalTag(1, 0), 7]])],
    ['a tag that is cut off', streamOf([[...varint(9), 2]])],
  ])('with %s is refused', async (_what, stream) => {
    await expect(zxidsIn(stream)).rejects.toThrow(/the compressed snapshot cannot be unpacked/);
  });
});
