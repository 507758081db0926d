import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ByteStream } from '@aviary/foundation';
import { QuorumPacketReader, QuorumPacketType, type QuorumPacket } from '@aviary/protocol';
import { LearnerLink, type LinkListener } from '../../src/ensemble/learner-link.js';
import { SharedPackets } from '../../src/ensemble/shared-packets.js';

/** A stream that is told whether to take what it is given at once, and reads it when asked. */
class Reluctant implements Pick<ByteStream, 'write' | 'queuedBytes'> {
  isWilling = true;
  readonly queuedBytes = 0;
  private readonly taken: Uint8Array[] = [];

  write(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    const part = bytes.subarray(start, end);
    this.taken.push(this.isWilling ? part.slice() : part);
    return this.isWilling;
  }

  /** What has come, in short. */
  packets(): string[] {
    const names: string[] = [];
    const reader = new QuorumPacketReader(1e6);
    const onPacket = ({ type, zxid }: QuorumPacket): boolean => {
      const name = Object.entries(QuorumPacketType).find(([, value]) => value === type)?.[0];
      names.push(`${name} ${zxid}`);
      return true;
    };
    for (const part of this.taken.splice(0)) reader.push(part, 0, part.length, { onPacket });
    return names;
  }
}

const transaction = new Uint8Array(100);

describe('what all followers get', () => {
  let shared: SharedPackets;
  let streams: [Reluctant, Reluctant];
  let links: [LearnerLink, LearnerLink];

  const linkOn = (stream: Reluctant, id: number) =>
    new LearnerLink(id, stream as unknown as ByteStream, 1e6, 0, {} as LinkListener);

  beforeEach(() => {
    shared = new SharedPackets();
    streams = [new Reluctant(), new Reluctant()];
    links = [linkOn(streams[0], 1), linkOn(streams[1], 2)];
  });

  function propose(...zxids: number[]): void {
    for (const zxid of zxids) shared.writer.proposal(zxid, transaction);
  }

  function flush(): void {
    for (const link of links) link.flush();
    shared.clear();
    for (const link of links) link.sharedCleared();
  }

  it('comes to each in its order with what comes to it alone', () => {
    for (const link of links) link.follow(shared);
    propose(1);
    links[0].syncAnswer();
    propose(2);
    shared.writer.commit(1);
    links[0].send({ type: 'ping', zxid: 2 }, '');
    flush();
    propose(3);
    flush();
    const own = ['proposal 1', 'sync 0', 'proposal 2', 'commit 1', 'ping 2', 'proposal 3'];
    expect(streams[0].packets()).toEqual(own);
    expect(streams[1].packets()).toEqual(['proposal 1', 'proposal 2', 'commit 1', 'proposal 3']);
  });

  it('begins for a new follower where it has begun to follow', () => {
    links[0].follow(shared);
    propose(1);
    links[1].proposal(1, transaction, 0, 100);
    links[1].follow(shared);
    propose(2);
    flush();
    expect(streams[0].packets()).toEqual(['proposal 1', 'proposal 2']);
    expect(streams[1].packets()).toEqual(['proposal 1', 'proposal 2']);
  });

  it('is not overwritten while a socket has yet to send it', () => {
    for (const link of links) link.follow(shared);
    streams[0].isWilling = false;
    for (let zxid = 1; zxid <= 5; zxid++) {
      propose(zxid);
      flush();
    }
    const all = [1, 2, 3, 4, 5].map((zxid) => `proposal ${zxid}`);
    expect(streams[0].packets()).toEqual(all);
    expect(streams[1].packets()).toEqual(all);
  });

  it('is counted as waiting until it has left', () => {
    links[0].follow(shared);
    expect(links[0].queuedBytes).toBe(0);
    propose(1);
    expect(links[0].queuedBytes).toBe(shared.position);
    flush();
    expect(links[0].queuedBytes).toBe(0);
  });
});
