import { describe, expect, it } from '@jest/globals';
import { JuteReader, JuteWriter } from '@aviary/jute';
import { OpCode, Xid, requestHeader, setWatches, setWatches2 } from '@aviary/protocol';
import fc from 'fast-check';
import { writeWatches } from '../src/session/watch-restore.js';
import type { WatchLists } from '../src/session/watch-table.js';
import { framesIn } from './server-frames.js';

const paths = fc.uniqueArray(
  fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => `/${text}`),
  { maxLength: 20 },
);
const lists = fc.record({
  data: paths,
  exist: paths,
  child: paths,
  persistent: paths,
  recursive: paths,
});

function written(from: WatchLists, zxid: bigint, pathBytesMax?: number) {
  const writer = new JuteWriter();
  const count = writeWatches(writer, from, zxid, pathBytesMax);
  const frames = framesIn(writer.take()).map((body) => {
    const reader = new JuteReader(body);
    const { xid, type } = requestHeader.read(reader);
    expect(xid).toBe(Xid.setWatches);
    const old = type === OpCode.setWatches;
    const read = old ? setWatches.read(reader) : setWatches2.read(reader);
    expect(reader.remaining).toBe(0);
    return { persistentWatches: [], persistentRecursiveWatches: [], ...read, old };
  });
  expect(frames.length).toBe(count);
  return frames;
}

describe('watches told to a new connection', () => {
  it('are all told, once, in frames of bounded size, with one zxid', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 200 }), (from, pathBytesMax) => {
        const frames = written(from, 77n, pathBytesMax);
        const all = (list: 'dataWatches' | 'existWatches' | 'childWatches') =>
          frames.flatMap((frame) => frame[list]);
        expect(all('dataWatches')).toEqual(from.data);
        expect(all('existWatches')).toEqual(from.exist);
        expect(all('childWatches')).toEqual(from.child);
        expect(frames.flatMap((f) => f.persistentWatches)).toEqual(from.persistent);
        expect(frames.flatMap((f) => f.persistentRecursiveWatches)).toEqual(from.recursive);
        for (const { relativeZxid, old, ...rest } of frames) {
          expect(relativeZxid).toBe(77n);
          const named = Object.values(rest).flat();
          const bytes = named.reduce((sum, path) => sum + Buffer.byteLength(path), 0);
          expect(named.length === 1 || bytes <= pathBytesMax).toBe(true);
          const trees = [...rest.persistentWatches, ...rest.persistentRecursiveWatches];
          expect(old).toBe(trees.length === 0);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('fit frames of 128 KiB by default', () => {
    const data = Array.from(
      { length: 3_000 },
      (_, n) => `/${'n'.repeat(94)}${String(n).padStart(5, '0')}`,
    );
    const none = { exist: [], child: [], persistent: [], recursive: [] };
    const frames = written({ data, ...none }, 1n);
    expect(frames.map((frame) => frame.dataWatches.length)).toEqual([1_310, 1_310, 380]);
    expect(written({ data: [], ...none }, 1n)).toEqual([]);
  });
});
