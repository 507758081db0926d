import { describe, expect, it } from '@jest/globals';
import {
  QuorumPacketType,
  formatEnsembleConfig,
  parseEnsembleConfig,
  quorumPacketTypeName,
} from '@aviary/protocol';
import {
  recordedStreams,
  streamRecordings,
  type RecordedStream,
} from '../../../test/golden/wire/streams.js';
import { roundTripOf, type RoundTrip } from './quorum-streams.js';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Looks closer only at what differs: Jest would take minutes for every cut of every stream. */
function expectAnew(trip: RoundTrip, stream: RecordedStream, how: string): void {
  const { messages, heldBytes } = trip;
  const anew = messages.map((message) => message.anew);
  const isSame = Buffer.concat(anew).equals(stream.bytes);
  if (isSame && messages.length === stream.messages.length && heldBytes === 0) return;
  const { connection, from, to } = stream;
  const where = `${connection} ${from}->${to} ${how}`;
  const expected = stream.messages.map(({ bytes }) => hex(bytes));
  expect({ where, got: anew.map(hex), heldBytes }).toEqual({ where, got: expected, heldBytes: 0 });
}

function wholeTrip(stream: RecordedStream): RoundTrip {
  const trip = roundTripOf(stream);
  trip.push(stream.bytes, 0, stream.bytes.length);
  return trip;
}

describe.each(streamRecordings())('every stream of %s', (recording) => {
  const streams = recordedStreams(recording);

  it('is understood to the last byte, and written anew byte for byte', () => {
    for (const stream of streams) expectAnew(wholeTrip(stream), stream, 'in one piece');
  });

  it('is the same when every byte comes alone', () => {
    for (const stream of streams) {
      const trip = roundTripOf(stream);
      const chunk = new Uint8Array(3).fill(0xee);
      for (const byte of stream.bytes) {
        chunk[1] = byte;
        trip.push(chunk, 1, 2);
      }
      expectAnew(trip, stream, 'byte by byte');
    }
  });

  it('is the same wherever it is cut in two', () => {
    for (const stream of streams) {
      for (let cut = 1; cut < stream.bytes.length; cut++) {
        const trip = roundTripOf(stream);
        // The first half is overwritten after the call, as the buffer of a socket is.
        const first = stream.bytes.slice(0, cut);
        trip.push(first, 0, cut);
        first.fill(0xee);
        trip.push(stream.bytes, cut, stream.bytes.length);
        expectAnew(trip, stream, `cut at ${cut}`);
      }
    }
  });
});

describe('the recordings', () => {
  const streams = streamRecordings().flatMap((recording) => recordedStreams(recording));

  it('show every type of packet', () => {
    const trips = streams.filter(({ port }) => port === 'quorum').map(wholeTrip);
    const seen = new Set(trips.flatMap((trip) => trip.messages.map(({ said }) => parseInt(said))));
    const types: number[] = Object.values(QuorumPacketType);
    expect(types.filter((type) => !seen.has(type)).map(quorumPacketTypeName)).toEqual([]);
  });

  it('show servers that vote and servers that do not', () => {
    const trips = streams.filter(({ port }) => port === 'election').map(wholeTrip);
    const said = new Set(trips.flatMap((trip) => trip.messages.map((message) => message.said)));
    for (const one of ['looking 3', 'looking null', 'following 3', 'leading 3']) {
      expect(said).toContain(`notification ${one}`);
    }
  });

  it('have configurations that we read, and print as they stand', () => {
    const texts = new Set<string>();
    for (const { bytes } of streams) {
      const text = Buffer.from(bytes).toString('latin1');
      for (const [found] of text.matchAll(/(server\.\d+=[ -~]+\n)+version=[0-9a-f]+/g)) {
        texts.add(found);
      }
    }
    expect(texts.size).toBeGreaterThan(8);
    for (const text of texts) {
      const config = parseEnsembleConfig(text, { isMultiAddressEnabled: true });
      expect(formatEnsembleConfig(config)).toBe(text);
    }
  });
});
