import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FRAME_BYTES_MAX_DEFAULT, FrameReader, type FrameSink } from '@aviary/protocol';
import { goldenExchanges, goldenRecordings } from '../../../test/golden/exchanges.js';

/** Keeps a copy of every frame, as a sink that keeps anything must. */
class KeepingSink implements FrameSink {
  readonly frames: string[] = [];
  private readonly limit: number;

  constructor(limit = Infinity) {
    this.limit = limit;
  }

  onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    this.frames.push(Buffer.from(bytes.subarray(start, end)).toString('hex'));
    return this.frames.length < this.limit;
  }
}

function framed(...payloads: (Uint8Array | string)[]): Uint8Array {
  const parts = payloads.flatMap((payload) => {
    const bytes = Buffer.from(payload as string);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return [length, bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

function lengthOnly(length: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return new Uint8Array(bytes);
}

/** Pushes `stream` in chunks that end at `cuts`, each inside a buffer that is overwritten after. */
function pushInChunks(reader: FrameReader, stream: Uint8Array, cuts: number[], sink: FrameSink) {
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    const chunk = new Uint8Array(to - from + 14).fill(0xee);
    chunk.set(stream.subarray(from, to), 7);
    const fault = reader.push(chunk, 7, chunk.length - 7, sink);
    if (fault !== null) return fault;
    chunk.fill(0xee);
    from = to;
  }
  return null;
}

/** Everything that the recordings have in one direction, as one stream, and its frames. */
function goldenStream(kind: 'sent' | 'received') {
  const exchanges = goldenRecordings().flatMap((recording) => goldenExchanges(recording));
  const steps = exchanges.flatMap(({ steps }) => steps);
  const frames = steps.flatMap((step) => (step.kind === kind ? [step.bytes] : []));
  return {
    stream: new Uint8Array(Buffer.concat(frames)),
    frames: frames.map((frame) => Buffer.from(frame.subarray(4)).toString('hex')),
  };
}

const PROPERTY = { seed: 20_240_229, numRuns: 200 };

describe.each(['sent', 'received'] as const)('FrameReader on all that was %s', (kind) => {
  const { stream, frames } = goldenStream(kind);

  it('hands over the frames of one chunk', () => {
    const sink = new KeepingSink();
    expect(pushInChunks(new FrameReader(FRAME_BYTES_MAX_DEFAULT), stream, [], sink)).toBeNull();
    expect(sink.frames).toEqual(frames);
  });

  it('hands over the same frames when every byte comes alone', () => {
    const sink = new KeepingSink();
    const cuts = Array.from({ length: stream.length - 1 }, (_, index) => index + 1);
    expect(pushInChunks(new FrameReader(FRAME_BYTES_MAX_DEFAULT), stream, cuts, sink)).toBeNull();
    expect(sink.frames).toEqual(frames);
  });

  it('hands over the same frames wherever the stream is cut', () => {
    const cut = fc.integer({ min: 0, max: stream.length });
    const cuts = fc.array(cut, { maxLength: 60 }).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(cuts, (list) => {
        const sink = new KeepingSink();
        const reader = new FrameReader(FRAME_BYTES_MAX_DEFAULT);
        expect(pushInChunks(reader, stream, list, sink)).toBeNull();
        expect(sink.frames).toEqual(frames);
        expect(reader.heldBytes).toBe(0);
      }),
      PROPERTY,
    );
  });
});

describe('FrameReader', () => {
  it('hands over the same frames for one cut at every byte', () => {
    const stream = framed('first', '', 'a third one');
    for (let cut = 0; cut <= stream.length; cut++) {
      const sink = new KeepingSink();
      const reader = new FrameReader(64);
      expect(pushInChunks(reader, stream, [cut], sink)).toBeNull();
      expect(sink.frames.map((frame) => Buffer.from(frame, 'hex').toString())).toEqual([
        'first',
        '',
        'a third one',
      ]);
    }
  });

  it('takes any payloads in any chunks', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 });
    fc.assert(
      fc.property(payloads, fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (list, at) => {
        const stream = framed(...list);
        const cuts = at.map((share) => Math.floor(share * stream.length)).sort((a, b) => a - b);
        const sink = new KeepingSink();
        expect(pushInChunks(new FrameReader(3000), stream, cuts, sink)).toBeNull();
        expect(sink.frames).toEqual(list.map((bytes) => Buffer.from(bytes).toString('hex')));
      }),
      PROPERTY,
    );
  });

  it('takes a frame of exactly the limit and refuses one byte more', () => {
    const sink = new KeepingSink();
    const reader = new FrameReader(10);
    expect(reader.push(framed('0123456789'), 0, 14, sink)).toBeNull();
    expect(reader.push(framed('0123456789A'), 0, 15, sink)).toEqual({ announcedBytes: 11 });
    expect(sink.frames).toHaveLength(1);
  });

  it.each([
    ['negative', -1],
    ['the most negative', -0x8000_0000],
    ['huge', 0x7fff_ffff],
    ['one over the limit', 101],
  ])('refuses a %s length, whole or cut anywhere in the length', (_name, length) => {
    for (let cut = 0; cut <= 4; cut++) {
      const sink = new KeepingSink();
      const stream = Buffer.concat([framed('before'), lengthOnly(length)]);
      const fault = pushInChunks(new FrameReader(100), stream, [10 + cut], sink);
      expect(fault).toEqual({ announcedBytes: length });
      expect(sink.frames).toHaveLength(1);
    }
  });

  it('stays at its fault, however much more comes', () => {
    const sink = new KeepingSink();
    const reader = new FrameReader(100);
    for (const byte of lengthOnly(-5)) reader.push(Uint8Array.of(byte), 0, 1, sink);
    expect(reader.push(framed('more'), 0, 8, sink)).toEqual({ announcedBytes: -5 });
    expect(reader.heldBytes).toBe(4);
    expect(sink.frames).toEqual([]);
  });

  it('stops when the sink says so, and goes on from there when it is asked to', () => {
    const stream = framed('one', 'two', 'three');
    for (let cut = 0; cut < stream.length; cut++) {
      const reader = new FrameReader(100);
      const frames: string[] = [];
      const oneByOne: FrameSink = {
        onFrame: (bytes, start, end) => {
          frames.push(Buffer.from(bytes.subarray(start, end)).toString());
          return false;
        },
      };
      for (const [start, end] of [
        [0, cut],
        [cut, stream.length],
      ] as const) {
        for (let at = start; at < end; at = reader.stoppedAt) {
          expect(reader.push(stream, at, end, oneByOne)).toBeNull();
          expect(reader.stoppedAt).toBeGreaterThan(at);
        }
        expect(reader.stoppedAt).toBe(end === 0 ? 0 : end);
      }
      expect(frames).toEqual(['one', 'two', 'three']);
      expect(reader.heldBytes).toBe(0);
    }
  });

  it('takes another limit from the next frame on', () => {
    const reader = new FrameReader(3);
    const sink = new KeepingSink();
    expect(reader.push(framed('one'), 0, 7, sink)).toBeNull();
    reader.frameBytesMax = 5;
    expect(reader.push(framed('three'), 0, 9, sink)).toBeNull();
    expect(sink.frames).toHaveLength(2);
  });

  it('hands whole frames over in place, without a copy', () => {
    const stream = framed('one', 'two');
    const places: (readonly [boolean, number, number])[] = [];
    new FrameReader(100).push(stream, 0, stream.length, {
      onFrame: (bytes, start, end) => places.push([bytes === stream, start, end]) > 0,
    });
    expect(places).toEqual([
      [true, 4, 7],
      [true, 11, 14],
    ]);
  });

  it('holds nothing between frames, and no more than came inside one', () => {
    const reader = new FrameReader(1 << 20);
    const stream = framed(new Uint8Array(100_000), 'next');
    const sink = new KeepingSink();
    for (let at = 0; at < stream.length; at += 1000) {
      reader.push(stream, at, Math.min(at + 1000, stream.length), sink);
      if (sink.frames.length === 0) expect(reader.heldBytes).toBe(at + 1000);
    }
    expect(sink.frames).toHaveLength(2);
    expect(reader.heldBytes).toBe(0);
    expect(memoryHeldBy(reader)).toBe(0);
  });

  it('allocates nothing for a length that is only announced', () => {
    const reader = new FrameReader(0x7fff_ffff);
    reader.push(lengthOnly(0x7fff_fff0), 0, 4, new KeepingSink());
    expect(reader.heldBytes).toBe(4);
    expect(memoryHeldBy(reader)).toBeLessThan(1024);
  });
});

/** Bytes of the buffers that the reader refers to, whatever it calls them. */
function memoryHeldBy(reader: FrameReader): number {
  const fields: unknown[] = Object.values(reader);
  const buffers = fields.filter((value) => value instanceof Uint8Array);
  return buffers.reduce((sum, buffer) => sum + buffer.buffer.byteLength, 0);
}
