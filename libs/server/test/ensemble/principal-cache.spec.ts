import { describe, expect, it } from '@jest/globals';
import {
  QuorumPacketReader,
  QuorumPacketWriter,
  type Id,
  type QuorumPacket,
} from '@aviary/protocol';
import { PrincipalCache } from '../../src/ensemble/principal-cache.js';

const ip: Id = { scheme: 'ip', id: '127.0.0.1' };

/** A request with a body of `bodyBytes` from a client with `who`, as a leader gets it. */
function requestOf(who: readonly Id[] | null, use: (packet: QuorumPacket) => void, bodyBytes = 3) {
  const writer = new QuorumPacketWriter();
  writer.request(1, 2, 3, 5, who, new Uint8Array(bodyBytes));
  const onPacket = (packet: QuorumPacket) => {
    use(packet);
    return true;
  };
  const { bytes, position } = writer.output;
  new QuorumPacketReader(1e6).push(bytes, 0, position, { onPacket });
  bytes.fill(0xff);
}

describe('who has sent a forwarded request', () => {
  it('is known again by the same bytes, wherever they stand', () => {
    const cache = new PrincipalCache(false);
    const seen: unknown[] = [];
    for (const bodyBytes of [3, 0, 70]) {
      requestOf([ip], (packet) => seen.push(cache.of(packet)), bodyBytes);
    }
    expect(seen[0]).toEqual({ ids: [ip], isSuper: false });
    expect(seen[1]).toBe(seen[0]);
    expect(seen[2]).toBe(seen[0]);
  });

  it('is nobody else, however alike they are', () => {
    const cache = new PrincipalCache(false);
    const clients = Array.from({ length: 3000 }, (_, i): Id[] => [
      { scheme: 'ip', id: `10.0.${i >> 8}.${i & 255}` },
    ]);
    clients.push([], [ip], [ip, ip], [{ scheme: 'ip127', id: '.0.0.1' }]);
    for (const round of [1, 2]) {
      for (const who of clients) {
        requestOf(who, (packet) => expect([round, cache.of(packet).ids]).toEqual([round, who]));
      }
    }
  });

  it('is nobody where nobody is named, and may be one that no list binds', () => {
    const cache = new PrincipalCache(false);
    requestOf(null, (packet) => expect(cache.of(packet)).toEqual({ ids: [], isSuper: false }));
    requestOf([{ scheme: 'super', id: 'ops' }], (packet) =>
      expect(cache.of(packet).isSuper).toBe(true),
    );
    requestOf([ip], (packet) => expect(cache.of(packet).isSuper).toBe(false));
    requestOf([ip], (packet) => expect(new PrincipalCache(true).of(packet).isSuper).toBe(true));
  });
});
