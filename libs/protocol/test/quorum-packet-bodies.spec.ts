import { describe, expect, it } from '@jest/globals';
import {
  LEARNER_PROTOCOL_VERSION,
  QuorumPacketType,
  QuorumPacketWriter,
  forEachTouch,
  quorumPacketTypeName,
  readAckEpoch,
  readActivation,
  readAuthinfo,
  readLeaderInfo,
  readLearnerInfo,
  readNewLeader,
  readRequest,
  readRevalidationReply,
  readRevalidationRequest,
} from '@aviary/protocol';
import { bytesOf, hex, messageOf, packetOf, packetWith, written } from './quorum-samples.js';

describe('bodies', () => {
  it('of a learner may be of one that is older', () => {
    const whole = bytesOf('0000000000000003 00010000 0000000100000002');
    expect(readLearnerInfo(packetWith(whole))).toEqual({
      serverId: 3,
      protocolVersion: LEARNER_PROTOCOL_VERSION,
      configVersion: 0x1_0000_0002,
    });
    expect(readLearnerInfo(packetWith(whole.subarray(0, 12)))).toEqual({
      serverId: 3,
      protocolVersion: LEARNER_PROTOCOL_VERSION,
      configVersion: 0,
    });
    expect(readLearnerInfo(packetWith(whole.subarray(0, 8)))).toEqual({
      serverId: 3,
      protocolVersion: 1,
      configVersion: 0,
    });
  });

  it('have ids of servers that we can count to', () => {
    const largest = bytesOf('001fffffffffffff 00010000 0000000000000000');
    expect(readLearnerInfo(packetWith(largest)).serverId).toBe(Number.MAX_SAFE_INTEGER);
    const beyond = packetWith(bytesOf('0020000000000000'), QuorumPacketType.commitAndActivate);
    for (const read of [readLearnerInfo, readActivation]) {
      expect(messageOf(() => read(beyond))).toBe(
        'server id 9007199254740992 is out of range: this server counts to 9007199254740991; ' +
          'give that server a smaller id in its myid file and in its server line',
      );
    }
  });

  it('of the touched sessions are visited in order; null has none', () => {
    const seen: number[][] = [];
    const sessions = bytesOf('0100000000000002 00002710', 'ff00000000000003 00001388');
    forEachTouch(packetWith(sessions), (...touch) => seen.push(touch));
    forEachTouch(packetWith(new Uint8Array()), (...touch) => seen.push(touch));
    forEachTouch(packetWith(null), (...touch) => seen.push(touch));
    expect(seen).toEqual([
      [0x0100_0000, 2, 10_000],
      [-0x0100_0000, 3, 5_000],
    ]);
    const cut = packetWith(sessions.subarray(0, 23), QuorumPacketType.ping);
    expect(messageOf(() => forEachTouch(cut, () => undefined))).toBe(
      'packet ping has 23 bytes of data: a session takes 12 bytes',
    );
  });

  it.each([
    ['readLearnerInfo', 8, readLearnerInfo],
    ['readLeaderInfo', 4, readLeaderInfo],
    ['readAckEpoch', 4, readAckEpoch],
    ['readActivation', 8, readActivation],
    ['readRevalidationRequest', 12, readRevalidationRequest],
    ['readRevalidationReply', 9, readRevalidationReply],
    ['readRequest', 16, readRequest],
  ] as const)('read by %s have at least %i bytes', (_name, bytesMin, read) => {
    read(packetWith(new Uint8Array(bytesMin)));
    expect(messageOf(() => read(packetWith(new Uint8Array(bytesMin - 1), 3)))).toBe(
      `packet ack has ${bytesMin - 1} bytes of data: at least ${bytesMin} are needed`,
    );
    expect(messageOf(() => read(packetWith(null, 3)))).toBe(
      `packet ack has no data: at least ${bytesMin} are needed`,
    );
  });

  it('of NEWLEADER are null from servers that know no configuration, and else text', () => {
    expect(readNewLeader(packetWith(null))).toBeNull();
    expect(readNewLeader(packetWith(new Uint8Array()))).toBe('');
    const garbage = packetWith(bytesOf('ff'), QuorumPacketType.newLeader);
    expect(messageOf(() => readNewLeader(garbage))).toBe('packet newLeader: string is not UTF-8');
  });

  it('of a request say who asks', () => {
    const body = bytesOf('000000 01 2f');
    const who = [
      { scheme: 'ip', id: '127.0.0.1' },
      { scheme: 'digest', id: 'user:hash' },
    ];
    const packet = packetOf(written((writer) => writer.request(1, -2, 7, 9, who, body, 1, 5)));
    const request = readRequest(packet);
    expect(request).toMatchObject({ sessionHigh: 1, sessionLow: -2, cxid: 7, type: 9 });
    expect(readAuthinfo(packet)).toEqual(who);
    const { bodyStart, bodyEnd } = request;
    expect(hex(packet.bytes.subarray(bodyStart, bodyEnd))).toBe(hex(body.subarray(1, 5)));
  });

  it('of a request with a null id are refused', () => {
    const ids = '00000001 ffffffff 00000000';
    const packet = packetOf(bytesOf('00000001 ffffffffffffffff ffffffff', ids));
    expect(messageOf(() => readAuthinfo(packet))).toBe('packet request: Id.scheme: string is null');
  });
});

describe('QuorumPacketWriter', () => {
  it('appends to one buffer until it is cleared', () => {
    const writer = new QuorumPacketWriter();
    for (let i = 0; i < 1000; i++) writer.ack(i);
    expect(writer.output.position).toBe(20_000);
    const { bytes } = writer.output;
    writer.output.clear();
    writer.commit(1);
    expect(writer.output.bytes).toBe(bytes);
    expect(hex(writer.output.take())).toBe(`00000004${'0'.repeat(15)}1ffffffffffffffff`);
  });

  it('lets no packet begin inside another', () => {
    const writer = new QuorumPacketWriter();
    expect(() => writer.touch(0, 0, 0)).toThrow('sessions stand in a PING that was begun');
    expect(() => writer.endPingReply()).toThrow('a PING ends that was begun');
    writer.beginPingReply(0);
    expect(() => writer.ack(0)).toThrow('a packet ends before the next one begins');
    expect(() => writer.beginPingReply(0)).toThrow('a packet ends before the next one begins');
  });
});

describe('quorumPacketTypeName', () => {
  it('is that of the constant', () => {
    expect(quorumPacketTypeName(QuorumPacketType.informAndActivate)).toBe('informAndActivate');
    expect(quorumPacketTypeName(77)).toBe('unknown(77)');
  });
});
