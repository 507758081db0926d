import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ELECTION_MESSAGE_BYTES_MAX,
  INITIAL_TEXT_BYTES_MAX,
  InitialMessageReader,
  NO_VOTE,
  NotificationReader,
  PeerState,
  PeerWireError,
  initialMessage,
  notificationFrame,
  readNotification,
  type InitialMessage,
  type NotificationMessage,
  type NotificationSink,
} from '@aviary/protocol';
import { bytesOf, hex, messageOf } from './quorum-samples.js';

const PROPERTY = { seed: 20_240_229, numRuns: 300 };

const V1 = 'ffffffffffff0000';
const V2 = 'ffffffffffff0001';
const LONG_MIN = '8000000000000000';

class KeepingSink implements NotificationSink {
  readonly notifications: NotificationMessage[] = [];
  readonly ignored: string[] = [];

  onNotification(notification: NotificationMessage): void {
    this.notifications.push(notification);
  }

  onIgnored(reason: string): void {
    this.ignored.push(reason);
  }
}

function initialBytes(version: string, serverId: string, text: string): Uint8Array {
  const address = Buffer.from(text);
  const length = address.length.toString(16).padStart(8, '0');
  return bytesOf(version, serverId, length, address.toString('hex'));
}

function readInitial(bytes: Uint8Array): InitialMessage | null {
  return new InitialMessageReader().push(bytes, 0, bytes.length);
}

function read(...groups: string[]): NotificationMessage {
  const bytes = bytesOf(...groups);
  return readNotification(bytes, 0, bytes.length);
}

const octet = fc.nat(255);
const host = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 255 }), octet, octet, octet).map((parts) => parts.join('.')),
  fc.constantFrom('zoo-1.zoo.svc.cluster.local', 'server_2', '::1', 'fe80::1%eth0', '2001:DB8::7'),
);
const hostPort = fc.record({ host, port: fc.nat(0xffff) });

describe('the initial message', () => {
  it('is read as it was written, however it is cut, and nothing behind it is taken', () => {
    const addresses = fc.array(hostPort, { minLength: 1, maxLength: 4 });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
    fc.assert(
      fc.property(fc.maxSafeInteger(), addresses, fc.boolean(), shares, (id, some, isV2, at) => {
        const sent = isV2 ? some : some.slice(0, 1);
        const message = initialMessage(id, sent, isV2);
        const stream = new Uint8Array([...message, 1, 2, 3]);
        const cuts = at.map((share) => Math.floor(share * message.length)).sort((a, b) => a - b);
        const reader = new InitialMessageReader();
        let from = 0;
        for (const to of cuts) {
          const before = reader.push(stream.slice(from, to), 0, to - from);
          expect(before).toBeNull();
          from = to;
        }
        const got = reader.push(stream, from, stream.length);
        expect(got).toEqual({ serverId: id, addresses: sent });
        expect(reader.stoppedAt).toBe(message.length);
      }),
      PROPERTY,
    );
  });

  it('has one address in its first version, and several in its second', () => {
    const one = [{ host: '127.0.0.1', port: 29011 }];
    const two = [...one, { host: '::1', port: 29012 }];
    expect(hex(initialMessage(1, one, false))).toBe(
      hex(initialBytes(V1, '0000000000000001', '127.0.0.1:29011')),
    );
    expect(hex(initialMessage(1, two, true))).toBe(
      hex(initialBytes(V2, '0000000000000001', '127.0.0.1:29011|[::1]:29012')),
    );
  });

  it('of ancient servers is their id alone', () => {
    const reader = new InitialMessageReader();
    const bytes = bytesOf('0000000000000005 0000');
    expect(reader.push(bytes, 0, bytes.length)).toEqual({ serverId: 5, addresses: [] });
    expect(reader.stoppedAt).toBe(8);
  });

  it('of ancient observers has no id', () => {
    expect(readInitial(bytesOf('7fffffffffffffff'))?.serverId).toBeNull();
    const bytes = initialBytes(V1, '7fffffffffffffff', 'a:1');
    expect(readInitial(bytes)).toEqual({ serverId: null, addresses: [{ host: 'a', port: 1 }] });
  });

  it.each(['0.0.0.0', '[::]', '[0:0:0:0:0:0:0:0]'])('says nothing with the address %s', (any) => {
    const bytes = initialBytes(V2, '0000000000000001', `${any}:3888|b:3888`);
    expect(readInitial(bytes)?.addresses).toEqual([{ host: 'b', port: 3888 }]);
    const alone = initialBytes(V1, '0000000000000001', `${any}:3888`);
    expect(readInitial(alone)?.addresses).toEqual([]);
  });

  it.each([
    '',
    'a',
    'a:',
    ':1',
    'a:b',
    'a:65536',
    'a:-1',
    'a:1:2',
    '::1:2',
    '[::1',
    '[::1]',
    '[::1]2',
    'a:1|',
    'a b:1',
    'a:1\nserver.2=b:1',
  ])('with the address %j is refused', (address) => {
    const text = `b:1|${address}`;
    const message = messageOf(() => readInitial(initialBytes(V2, '0000000000000001', text)));
    expect(message).toMatch(/^initial message with the address ".*": it must be host:port$/);
  });

  it('is refused where it cannot be one', () => {
    const lengths = ['00000000', 'ffffffff', '00000801', '7fffffff'];
    for (const length of lengths) {
      const bytes = bytesOf(V1, '0000000000000001', length);
      expect(messageOf(() => readInitial(bytes))).toBe(
        `initial message with ${parseInt(length, 16) | 0} bytes of addresses: 1 to 2048 are allowed`,
      );
    }
    expect(messageOf(() => readInitial(bytesOf('ffffffffffff0002')))).toBe(
      'initial message of version -65534: this server knows 1 and 2',
    );
    expect(messageOf(() => readInitial(bytesOf(LONG_MIN)))).toMatch(/version Long.MIN_VALUE/);
    expect(messageOf(() => readInitial(bytesOf('0020000000000000')))).toMatch(/^server id /);
    const garbage = bytesOf(V1, '0000000000000001 00000001 ff');
    expect(messageOf(() => readInitial(garbage))).toBe('initial message: string is not UTF-8');
  });

  it('may be as long as is allowed', () => {
    const longest = `${'a'.repeat(INITIAL_TEXT_BYTES_MAX - 2)}:1`;
    const bytes = initialBytes(V1, '0000000000000001', longest);
    expect(readInitial(bytes)?.addresses).toHaveLength(1);
  });

  it('is either read from garbage, or refused', () => {
    const start = fc.constantFrom('', V1, V2, `${V1}0000000000000001`, `${V2}000000000000000100`);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 80 }), (known, rest) => {
        const bytes = new Uint8Array([...bytesOf(known), ...rest]);
        try {
          readInitial(bytes);
        } catch (error) {
          if (!(error instanceof PeerWireError)) throw error;
        }
      }),
      { ...PROPERTY, numRuns: 2000 },
    );
  });
});

const int64 = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, NO_VOTE));
const notification = fc.record({
  state: fc.constantFrom(...Object.values(PeerState)),
  leader: fc.option(fc.maxSafeInteger()),
  zxid: int64,
  electionEpoch: fc.maxSafeInteger(),
  peerEpoch: int64,
  config: fc.string({ unit: 'grapheme', maxLength: 200 }),
});

/** State 2, leader 3, zxid 0x100000004, round 5. */
const ANCIENT = '00000002 0000000000000003 0000000100000004 0000000000000005';
const PEER_EPOCH = '0000000000000006';
const KNOWN = { state: PeerState.leading, leader: 3, zxid: 0x1_0000_0004, electionEpoch: 5 };

describe('a notification', () => {
  it('is read as it was written, however it is cut', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(notification, { maxLength: 4 }), shares, (some, at) => {
        const stream = Buffer.concat(some.map(notificationFrame));
        const cuts = at.map((share) => Math.floor(share * stream.length)).sort((a, b) => a - b);
        const sink = new KeepingSink();
        const reader = new NotificationReader(sink);
        let from = 0;
        for (const to of [...cuts, stream.length]) {
          reader.push(Uint8Array.from(stream.subarray(from, to)), 0, to - from);
          from = to;
        }
        expect(sink.notifications).toEqual(some.map((one) => ({ ...one, version: 2 })));
        expect(sink.ignored).toEqual([]);
      }),
      PROPERTY,
    );
  });

  it('before 3.4 has the epoch of its zxid', () => {
    expect(read(ANCIENT)).toEqual({ ...KNOWN, peerEpoch: 1, version: 0, config: null });
    const ofObserver = read('00000003', LONG_MIN, LONG_MIN, '0000000000000001');
    expect(ofObserver).toMatchObject({ leader: null, zxid: NO_VOTE, peerEpoch: -(2 ** 31) });
  });

  it('of 40 bytes has no version, whatever stands there', () => {
    const expected = { ...KNOWN, peerEpoch: 6, version: 0, config: null };
    expect(read(ANCIENT, PEER_EPOCH, '00000001')).toEqual(expected);
    expect(read(ANCIENT, PEER_EPOCH, '00000002')).toEqual(expected);
  });

  it('of version 1 has no configuration, whatever follows', () => {
    const expected = { ...KNOWN, peerEpoch: 6, version: 1, config: null };
    expect(read(ANCIENT, PEER_EPOCH, '00000001 00000000')).toEqual(expected);
    expect(read(ANCIENT, PEER_EPOCH, '00000001 ff')).toEqual(expected);
  });

  it('of version 2 and above has a configuration; bytes behind it are left alone', () => {
    const expected = { ...KNOWN, peerEpoch: 6, version: 2, config: 'ab' };
    expect(read(ANCIENT, PEER_EPOCH, '00000002 00000002 6162')).toEqual(expected);
    expect(read(ANCIENT, PEER_EPOCH, '00000002 00000002 6162 63')).toEqual(expected);
    expect(read(ANCIENT, PEER_EPOCH, '00000003 00000000')).toMatchObject({
      version: 3,
      config: '',
    });
  });

  it('counts even if its configuration is not text', () => {
    expect(read(ANCIENT, PEER_EPOCH, '00000002 00000001 ff').config).toBe('\ufffd');
  });

  it('of a server that does not vote has no leader', () => {
    const bytes = notificationFrame({
      state: PeerState.looking,
      leader: null,
      zxid: NO_VOTE,
      electionEpoch: 1,
      peerEpoch: NO_VOTE,
      config: '',
    });
    const numbers = [LONG_MIN, LONG_MIN, '0000000000000001', LONG_MIN];
    expect(hex(bytes)).toBe(`0000002c00000000${numbers.join('')}0000000200000000`);
  });

  it.each([
    ['fewer than 28 bytes', ANCIENT.slice(0, -2), 'it has 27 bytes, at least 28 are needed'],
    ['no version where there should be one', `${ANCIENT}${PEER_EPOCH}`, 'it ends after 36 bytes'],
    ['half an epoch', `${ANCIENT}00`, 'it ends after 29 bytes'],
    ['a state that is none', ANCIENT.replace('2', '4'), 'its state is 4'],
    [
      'no length of its configuration',
      `${ANCIENT}${PEER_EPOCH}00000002 000000`,
      'its configuration is cut off',
    ],
    [
      'a configuration of negative length',
      `${ANCIENT}${PEER_EPOCH}00000002 ffffffff`,
      'its configuration is cut off',
    ],
    [
      'less of its configuration than it says',
      `${ANCIENT}${PEER_EPOCH}00000002 00000002 61`,
      'its configuration is cut off',
    ],
    [
      'a leader that we cannot count to',
      ANCIENT.replace('0000000000000003', '7fffffffffffffff'),
      'its leader 9223372036854776000 is beyond what this server counts to',
    ],
  ])('with %s is passed over, and the next one counts', (_name, bad, why) => {
    const payload = bytesOf(bad);
    const stream = Buffer.concat([
      Buffer.from([0, 0, 0, payload.length]),
      payload,
      notificationFrame({ ...KNOWN, peerEpoch: 1, config: '' }),
    ]);
    const sink = new KeepingSink();
    new NotificationReader(sink).push(stream, 0, stream.length);
    expect(sink.ignored).toEqual([`notification is passed over: ${why}`]);
    expect(sink.notifications).toHaveLength(1);
  });

  it.each(['00000000', 'ffffffff', '00080001'])('of length %s ends the connection', (length) => {
    const reader = new NotificationReader(new KeepingSink());
    const bytes = bytesOf(length);
    expect(messageOf(() => reader.push(bytes, 0, 4))).toBe(
      `message of ${parseInt(length, 16) | 0} bytes in an election: 1 to 524288 are allowed`,
    );
  });

  it('may be as long as is allowed, and no longer', () => {
    const config = 'a'.repeat(ELECTION_MESSAGE_BYTES_MAX - 44);
    const sink = new KeepingSink();
    const stream = notificationFrame({ ...KNOWN, peerEpoch: 1, config });
    new NotificationReader(sink).push(stream, 0, stream.length);
    expect(sink.notifications).toHaveLength(1);
    const longer = { ...KNOWN, peerEpoch: 1, config: `${config}a` };
    expect(() => notificationFrame(longer)).toThrow('fits into a message');
  });

  it('is either read from garbage, or passed over', () => {
    const number = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    const words = fc.array(fc.oneof(fc.nat(3), number), { maxLength: 16 });
    fc.assert(
      fc.property(words, fc.uint8Array({ maxLength: 3 }), (some, rest) => {
        const bytes = Buffer.alloc(4 * some.length + rest.length);
        some.forEach((word, index) => bytes.writeInt32BE(word, 4 * index));
        bytes.set(rest, 4 * some.length);
        try {
          readNotification(bytes, 0, bytes.length);
        } catch (error) {
          if (!(error instanceof PeerWireError)) throw error;
        }
      }),
      { ...PROPERTY, numRuns: 2000 },
    );
  });
});
