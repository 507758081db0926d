import type { Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';
import type { ConnectionId } from './leader-io.js';
import type { LearnerPeer } from './learner-peer.js';
import { ProposalAges } from './proposal-ages.js';

/** A learner that is to be left, and why. */
export interface Overdue {
  readonly peer: LearnerPeer;
  readonly reason: string;
}

/** The learners of a leader, and which of them are too slow or too quiet. */
export class Learners {
  private readonly peers = new Map<ConnectionId, LearnerPeer>();
  private readonly ages = new ProposalAges();

  constructor(
    private readonly initLimitMs: number,
    private readonly syncLimitMs: number,
  ) {}

  get(connection: ConnectionId): LearnerPeer | undefined {
    return this.peers.get(connection);
  }

  add(peer: LearnerPeer): void {
    this.peers.set(peer.connection, peer);
  }

  delete(peer: LearnerPeer): void {
    this.peers.delete(peer.connection);
  }

  clear(): void {
    this.peers.clear();
  }

  /** In the order in which they came; those that are deleted meanwhile are left out. */
  [Symbol.iterator](): IterableIterator<LearnerPeer> {
    return this.peers.values();
  }

  withId(sid: ServerId): LearnerPeer | undefined {
    for (const peer of this.peers.values()) if (peer.sid === sid) return peer;
    return undefined;
  }

  /** What was committed after this is held for some learner; Infinity: nothing is. */
  get heldAfter(): Zxid {
    let after = Infinity;
    for (const peer of this.peers.values()) {
      if (peer.isBehind) after = Math.min(after, peer.through);
    }
    return after;
  }

  /** Proposals have come to `lastProposed` now. */
  noteProposed(lastProposed: Zxid, nowMs: number): void {
    this.ages.mark(lastProposed, nowMs);
  }

  /** Those who have said nothing for too long, or have not done what they are waited for. */
  silent(nowMs: number): Overdue[] {
    const found: Overdue[] = [];
    for (const peer of this.peers.values()) {
      if (peer.isLive && nowMs - peer.heardMs >= this.syncLimitMs) {
        found.push({ peer, reason: 'it is silent' });
      } else if (peer.isWaitedFor && nowMs - peer.waitingSinceMs >= this.initLimitMs) {
        found.push({ peer, reason: `it takes too long (${peer.stage})` });
      }
    }
    return found;
  }

  /** Followers that have not acknowledged for too long what they were sent. */
  laggards(nowMs: number): Overdue[] {
    const longAgoMs = nowMs - this.syncLimitMs;
    const due = this.ages.proposedBy(longAgoMs);
    const found: Overdue[] = [];
    for (const peer of this.peers.values()) {
      if (!peer.isLive || peer.role !== 'follower' || peer.liveSinceMs > longAgoMs) continue;
      if (peer.acknowledged < due) found.push({ peer, reason: 'it does not acknowledge' });
    }
    return found;
  }

  /**
   * The followers that were heard lately. Those that are still being brought up to date count for as
   * long as that may take.
   */
  heardLately(nowMs: number): ServerId[] {
    const heard: ServerId[] = [];
    const graceMs = this.initLimitMs + this.syncLimitMs;
    for (const peer of this.peers.values()) {
      if (peer.role !== 'follower') continue;
      const isHeard = peer.isLive
        ? nowMs - peer.heardMs < this.syncLimitMs
        : nowMs - peer.connectedMs < graceMs;
      if (isHeard) heard.push(peer.sid);
    }
    return heard;
  }
}
