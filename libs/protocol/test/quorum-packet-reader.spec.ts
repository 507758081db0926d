import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  PACKET_DATA_BYTES_MAX_DEFAULT,
  PeerWireError,
  QuorumPacketReader,
  QuorumPacketType,
  type QuorumPacketWriter,
  forEachTouch,
  readAckEpoch,
  readActivation,
  readAuthinfo,
  readLeaderInfo,
  readLearnerInfo,
  readNewLeader,
  readRequest,
  readRevalidationReply,
  readRevalidationRequest,
  type QuorumPacket,
  type QuorumPacketSink,
} from '@aviary/protocol';
import { recordedStreams, streamRecordings } from '../../../test/golden/wire/streams.js';
import {
  KeepingSink,
  bytesOf,
  hex,
  messageOf,
  packetOf,
  packetWith,
  written,
} from './quorum-samples.js';
import { packetAnew } from './quorum-streams.js';

const PROPERTY = { seed: 20_240_229, numRuns: 200 };

/** Every reader of a body. */
const BODY_READERS: readonly ((packet: QuorumPacket) => unknown)[] = [
  (packet) => forEachTouch(packet, () => undefined),
  readAckEpoch,
  readActivation,
  readAuthinfo,
  readLeaderInfo,
  readLearnerInfo,
  readNewLeader,
  readRequest,
  readRevalidationReply,
  readRevalidationRequest,
];

function refusal(bytes: Uint8Array, dataBytesMax = 100): string {
  const reader = new QuorumPacketReader(dataBytesMax);
  return messageOf(() => reader.push(bytes, 0, bytes.length, new KeepingSink()));
}

/** Reads every packet as if it were of each type. */
const EVERY_BODY: QuorumPacketSink = {
  onPacket: (packet) => {
    for (const read of BODY_READERS) readOrRefuse(() => read(packet));
    return true;
  },
};

/** Bytes of the buffers that the reader refers to, whatever it calls them. */
function memoryHeldBy(reader: QuorumPacketReader): number {
  const fields: unknown[] = Object.values(reader);
  const buffers = fields.filter((value) => value instanceof Uint8Array);
  return buffers.reduce((sum, buffer) => sum + buffer.buffer.byteLength, 0);
}

const epoch = fc.integer({ min: 0, max: 0x1f_ffff });
const zxid = fc.oneof(
  fc.constant(-1),
  fc.tuple(epoch, fc.nat(0xffff_ffff)).map(([high, low]) => high * 2 ** 32 + low),
);
const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const serverId = fc.maxSafeInteger();
const data = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: 'binary', maxLength: 30 });
const learnerInfo = fc.record({
  serverId,
  protocolVersion: int32,
  configVersion: zxid,
});
const authinfo = fc.option(fc.array(fc.record({ scheme: text, id: text }), { maxLength: 3 }));

/** Any packet of a leader, or of a learner, as a call of the writer. */
function write<T>(values: fc.Arbitrary<T>, call: (writer: QuorumPacketWriter, value: T) => void) {
  return values.map((value) => (writer: QuorumPacketWriter) => call(writer, value));
}

const bothSay = [
  write(zxid, (writer, z) => writer.ack(z)),
  write(zxid, (writer, z) => writer.commit(z)),
  write(zxid, (writer, z) => writer.ping(z)),
  write(zxid, (writer, z) => writer.bare(QuorumPacketType.diff, z)),
  write(fc.constant(null), (writer) => writer.upToDate()),
  write(fc.constant(null), (writer) => writer.sync()),
  write(fc.tuple(zxid, data), (writer, [z, txn]) => writer.proposal(z, txn)),
  write(fc.tuple(zxid, data), (writer, [z, txn]) => writer.inform(z, txn)),
  write(fc.tuple(zxid, serverId), (writer, [z, id]) => writer.commitAndActivate(z, id)),
  write(fc.tuple(zxid, serverId, data), (writer, [z, id, txn]) =>
    writer.informAndActivate(z, id, txn),
  ),
  write(fc.tuple(epoch, learnerInfo), (writer, [e, info]) => writer.followerInfo(e, info)),
  write(fc.tuple(epoch, learnerInfo), (writer, [e, info]) => writer.observerInfo(e, info)),
  write(epoch, (writer, e) => writer.leaderInfo(e)),
  write(fc.tuple(zxid, int32), (writer, [z, e]) => writer.ackEpoch(z, e)),
  write(fc.tuple(epoch, text), (writer, [e, config]) => writer.newLeader(e, config)),
];

const leaderSays = fc.oneof(
  ...bothSay,
  write(fc.tuple(int32, int32, fc.boolean()), (writer, [high, low, isValid]) =>
    writer.revalidationReply(high, low, isValid),
  ),
);

const learnerSays = fc.oneof(
  ...bothSay,
  write(fc.tuple(int32, int32, int32), (writer, [high, low, timeoutMs]) =>
    writer.revalidationRequest(high, low, timeoutMs),
  ),
  write(fc.tuple(zxid, fc.array(fc.tuple(int32, int32, int32))), (writer, [z, touches]) => {
    writer.beginPingReply(z);
    for (const [high, low, timeoutMs] of touches) writer.touch(high, low, timeoutMs);
    writer.endPingReply();
  }),
  write(fc.tuple(int32, int32, int32, int32, authinfo, data), (writer, [high, low, ...rest]) =>
    writer.request(high, low, ...rest),
  ),
);

describe.each([
  ['leader', leaderSays, true],
  ['learner', learnerSays, false],
] as const)('what a %s says', (_who, says, isFromLeader) => {
  it('is read and written anew, however it is cut', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(says, { maxLength: 8 }), shares, (calls, at) => {
        const stream = written((writer) => calls.forEach((call) => call(writer)));
        const cuts = at.map((share) => Math.floor(share * stream.length)).sort((a, b) => a - b);
        const sink = new KeepingSink();
        const reader = new QuorumPacketReader(PACKET_DATA_BYTES_MAX_DEFAULT);
        let from = 0;
        for (const to of [...cuts, stream.length]) {
          const chunk = new Uint8Array(to - from + 2).fill(0xee);
          chunk.set(stream.subarray(from, to), 1);
          reader.push(chunk, 1, chunk.length - 1, sink);
          chunk.fill(0xee);
          from = to;
        }
        const anew = sink.packets.map((packet) => packetAnew(packet, isFromLeader));
        expect(hex(Buffer.concat(anew))).toBe(hex(stream));
        expect(sink.packets).toHaveLength(calls.length);
        expect(reader.heldBytes).toBe(0);
        const relayed = written((writer) => sink.packets.forEach((p) => writer.relay(p)));
        expect(hex(relayed)).toBe(hex(stream));
      }),
      PROPERTY,
    );
  });
});

describe('QuorumPacketReader', () => {
  it('keeps null and empty data apart', () => {
    expect(packetWith(null)).toMatchObject({ isDataNull: true, dataStart: 16, dataEnd: 16 });
    const empty = new Uint8Array();
    expect(packetWith(empty)).toMatchObject({ isDataNull: false, dataStart: 16, dataEnd: 16 });
  });

  it('keeps the zxid that stands for none', () => {
    expect(packetOf(written((writer) => writer.upToDate()))).toMatchObject({ type: 12, zxid: -1 });
  });

  it('hands packets over in place', () => {
    const stream = written((writer) => {
      writer.ack(1);
      writer.commit(2);
    });
    const places: unknown[] = [];
    new QuorumPacketReader(100).push(stream, 0, stream.length, {
      onPacket: ({ bytes, start, end }) => places.push([bytes === stream, start, end]) > 0,
    });
    expect(places).toEqual([
      [true, 0, 20],
      [true, 20, 40],
    ]);
  });

  it('stops at a packet, so that somebody else can read on, and starts again behind that', () => {
    const before = written((writer) => {
      writer.bare(QuorumPacketType.snap, 7);
    });
    const after = written((writer) => writer.newLeader(1, 'version=0'));
    const stream = Buffer.concat([before, Buffer.from('what a snapshot is made of'), after]);
    for (let cut = 0; cut <= before.length; cut++) {
      const types: number[] = [];
      const reader = new QuorumPacketReader(100);
      const sink: QuorumPacketSink = {
        onPacket: ({ type }) => {
          types.push(type);
          return type !== QuorumPacketType.snap;
        },
      };
      reader.push(stream, 0, cut, sink);
      if (types.length === 0) reader.push(stream, cut, stream.length, sink);
      expect(reader.stoppedAt).toBe(before.length);
      expect(reader.heldBytes).toBe(0);
      reader.push(stream, stream.length - after.length, stream.length, sink);
      expect(types).toEqual([QuorumPacketType.snap, QuorumPacketType.newLeader]);
      expect(reader.stoppedAt).toBe(stream.length);
    }
  });

  it('takes data of exactly the limit and refuses one byte more', () => {
    const reader = new QuorumPacketReader(10);
    const sink = new KeepingSink();
    const longest = written((writer) => writer.proposal(1, new Uint8Array(10)));
    reader.push(longest, 0, longest.length, sink);
    expect(sink.packets).toHaveLength(1);
    const longer = written((writer) => writer.proposal(1, new Uint8Array(11)));
    expect(refusal(longer, 10)).toBe(
      'packet proposal announces 11 bytes of data, over the limit of 10 bytes; ' +
        'set jute.maxbuffer to one value on all servers',
    );
  });

  it.each([
    [
      'a negative length',
      '00000002 0000000000000001 fffffffe',
      /announces -2 bytes of data, which no server says$/,
    ],
    ['a huge length', '00000002 0000000000000001 7fffffff', /announces 2147483647 bytes of data/],
    ['a negative count', '00000001 0000000000000001 ffffffff fffffffe', /announces -2 ids/],
    ['a huge count', '00000001 0000000000000001 ffffffff 7fffffff', /announces 2147483647 ids/],
    [
      'a negative string',
      '00000001 0000000000000001 ffffffff 00000001 fffffffe',
      /announces -2 bytes of an id, which no/,
    ],
    [
      'a huge string',
      '00000001 0000000000000001 ffffffff 00000001 7fffffff',
      /announces 2147483647 bytes of an id, over/,
    ],
    [
      'strings that together are too long',
      `00000001 0000000000000001 ffffffff 00000001 00000032 ${'61'.repeat(50)} 00000032`,
      /announces 50 bytes of an id, over/,
    ],
    [
      'an epoch that it cannot count in',
      '00000002 0020000000000000 ffffffff ffffffff',
      /zxid of epoch 2097152 is out of range/,
    ],
    [
      'a negative zxid that is not -1',
      '00000002 fffffffffffffffe ffffffff ffffffff',
      /zxid of epoch 4294967295 is out of range/,
    ],
  ])('refuses %s, at once and ever after', (_name, bad, message) => {
    const good = written((writer) => writer.ack(1));
    const bytes = new Uint8Array([...good, ...bytesOf(bad)]);
    for (let cut = 0; cut < bytes.length; cut++) {
      const reader = new QuorumPacketReader(100);
      const sink = new KeepingSink();
      reader.push(bytes, 0, cut, sink);
      for (let again = 0; again < 2; again++) {
        expect(messageOf(() => reader.push(bytes, cut, bytes.length, sink))).toMatch(message);
      }
      expect(sink.packets).toHaveLength(1);
    }
  });

  it('allocates nothing for a length that is only announced', () => {
    const reader = new QuorumPacketReader(0x7fff_ffff);
    const head = bytesOf('00000002 0000000000000001 7ffffff0');
    reader.push(head, 0, head.length, new KeepingSink());
    expect(reader.heldBytes).toBe(16);
    expect(memoryHeldBy(reader)).toBeLessThan(1024);
  });

  it('grows with the bytes that have come, and forgets a long packet when it is done', () => {
    const reader = new QuorumPacketReader(1 << 20);
    const sink = new KeepingSink();
    const stream = written((writer) => writer.proposal(1, new Uint8Array(1 << 20)));
    for (let at = 0; at < stream.length; at += 10_000) {
      reader.push(stream, at, Math.min(at + 10_000, stream.length), sink);
      expect(memoryHeldBy(reader)).toBeLessThanOrEqual(Math.max(1024, 2 * (at + 10_000)));
    }
    expect(sink.packets).toHaveLength(1);
    expect(memoryHeldBy(reader)).toBe(0);
  });

  it('either reads garbage or refuses it, and holds no more than came', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(fc.constantFrom(0, 1, 255), { maxLength: 60 }).map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const reader = new QuorumPacketReader(1000);
        let pushed = 0;
        for (const bytes of chunks) {
          pushed += bytes.length;
          readOrRefuse(() => reader.push(bytes, 0, bytes.length, EVERY_BODY));
          expect(reader.heldBytes).toBeLessThanOrEqual(pushed);
          expect(memoryHeldBy(reader)).toBeLessThanOrEqual(Math.max(512, 2 * pushed));
        }
      }),
      { ...PROPERTY, numRuns: 2000 },
    );
  });

  it('either reads a recorded stream in which a bit is wrong, or refuses it', () => {
    const recorded = streamRecordings()
      .flatMap((recording) => recordedStreams(recording))
      .filter(({ port }) => port === 'quorum');
    const stream = fc.constantFrom(...recorded.map(({ bytes }) => bytes));
    const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(stream, share, fc.nat(7), (bytes, at, bit) => {
        const wrong = bytes.slice();
        wrong[Math.floor(at * bytes.length)]! ^= 1 << bit;
        const reader = new QuorumPacketReader(PACKET_DATA_BYTES_MAX_DEFAULT);
        readOrRefuse(() => reader.push(wrong, 0, wrong.length, EVERY_BODY));
        expect(memoryHeldBy(reader)).toBeLessThanOrEqual(Math.max(512, 2 * wrong.length));
      }),
      { ...PROPERTY, numRuns: 2000 },
    );
  });
});

/** Only what says that the peer is at fault may be thrown. */
function readOrRefuse(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof PeerWireError)) throw error;
  }
}
