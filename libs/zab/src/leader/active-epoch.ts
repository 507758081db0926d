import { assert, type Zxid } from '@aviary/foundation';
import { Broadcast } from '../broadcast/broadcast.js';
import { LeadershipConfirmation } from '../broadcast/leadership-confirmation.js';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import type { ConnectionId } from './leader-io.js';
import type { LearnerPeer } from './learner-peer.js';
import type { Learners } from './learners.js';

/**
 * An epoch that has begun, as its leader sees it: proposals, their acknowledgements, pings and syncs.
 *
 * This is the hot path: methods take and return numbers, and nothing is allocated for a proposal.
 * When the epoch is over every method says so by doing nothing and returning 0.
 */
export class ActiveEpoch {
  private readonly broadcast: Broadcast;
  private readonly confirmation: LeadershipConfirmation;
  private seenMs: number;
  private isOver = false;

  constructor(
    readonly epoch: number,
    private readonly self: ServerId,
    private verifiers: readonly QuorumVerifier[],
    private readonly learners: Learners,
    private readonly syncLimitMs: number,
    nowMs: number,
  ) {
    this.broadcast = new Broadcast(epoch, self, verifiers);
    this.confirmation = new LeadershipConfirmation(self, verifiers);
    this.seenMs = nowMs;
  }

  /** The zxid that the next proposal has to have; 0: there can be none. */
  get nextZxid(): Zxid {
    return this.isOver ? 0 : this.broadcast.nextZxid;
  }

  get lastProposed(): Zxid {
    return this.broadcast.lastProposed;
  }

  /** Up to where proposals are committed; the start of the epoch before the first one is. */
  get committed(): Zxid {
    return this.broadcast.committed;
  }

  /** Up to where the leader itself may apply: committed, and in its own log. */
  get applicable(): Zxid {
    return this.broadcast.applicable;
  }

  /** Notes a proposal, whose zxid is {@link nextZxid}; the host logs it and sends it to live followers. */
  propose(zxid: Zxid): void {
    assert(!this.isOver, 'nothing is proposed when the epoch is over');
    this.broadcast.propose(zxid);
  }

  /** The leader's log is durable up to `zxid`. Returns the last proposal that this commits, 0 if none. */
  logged(zxid: Zxid): Zxid {
    return this.isOver ? 0 : this.broadcast.logged(zxid);
  }

  /**
   * A learner has acknowledged the proposal `zxid`. Returns the last proposal that this commits, 0 if
   * none. What comes before UPTODATE is about history and counts for nothing (ZOOKEEPER-4685).
   */
  acknowledge(from: ConnectionId, zxid: Zxid, nowMs: number): Zxid {
    const peer = this.peerHeard(from, nowMs);
    if (peer === undefined || !peer.isLive || peer.role !== 'follower') return 0;
    if (zxid > this.broadcast.lastProposed) return 0;
    if (zxid > peer.acknowledged) peer.acknowledged = zxid;
    this.confirmation.acknowledged(peer.sid, zxid);
    return this.broadcast.acknowledge(peer.sid, zxid);
  }

  /** A learner has answered a ping. */
  answeredPing(from: ConnectionId, nowMs: number): void {
    const peer = this.peerHeard(from, nowMs);
    if (peer?.isLive === true && peer.role === 'follower') this.confirmation.answered(peer.sid);
  }

  /** A packet that is not Zab's came from a learner. */
  heard(from: ConnectionId, nowMs: number): void {
    this.peerHeard(from, nowMs);
  }

  /**
   * A `sync` has come. Returns its ticket; 0: refuse it. The host says `confirm` at the end of each
   * turn in which {@link isConfirmationDue}.
   *
   * It may be answered once what was {@link lastProposed} then is committed, and leadership was
   * confirmed: {@link confirmedSync} is as high as the ticket, or a later proposal is committed. A
   * request that came later must not be answered before.
   */
  requestSync(nowMs: number): number {
    if (this.isOver || this.hasBeenAway(nowMs)) return 0;
    this.seenMs = nowMs;
    return this.confirmation.request();
  }

  get isConfirmationDue(): boolean {
    return !this.isOver && this.confirmation.isRoundDue;
  }

  /** The last ticket, with all before it, after which a quorum has shown that it still follows. */
  get confirmedSync(): number {
    return this.isOver ? 0 : this.confirmation.confirmed;
  }

  // For the leader:

  /**
   * Whether this process stood still for so long that its learners may have left. What it finds in
   * its sockets then is old, so it must not take itself for the leader.
   */
  hasBeenAway(nowMs: number): boolean {
    return nowMs - this.seenMs > this.syncLimitMs;
  }

  /** This process runs. */
  noteAwake(nowMs: number): void {
    this.seenMs = nowMs;
  }

  /** Whether the leader and those it has heard from lately may act for the ensemble. */
  hasQuorum(nowMs: number): boolean {
    const heard = new Set(this.learners.heardLately(nowMs)).add(this.self);
    return this.verifiers.every((verifier) => verifier.isQuorum(heard));
  }

  /** Begins to confirm leadership if anybody waits for it; every live follower is pinged then. */
  beginConfirmation(): void {
    this.confirmation.beginRound(this.broadcast.lastProposed);
  }

  /** A ping goes to a learner. False: it has left too many unanswered. */
  pinged(peer: LearnerPeer): boolean {
    return peer.role === 'observer' || this.confirmation.pinged(peer.sid);
  }

  /** The connection of `sid` has ended. */
  forget(sid: ServerId): void {
    this.broadcast.forget(sid);
    this.confirmation.forget(sid);
  }

  changeVerifiers(verifiers: readonly QuorumVerifier[]): void {
    this.verifiers = verifiers;
    this.broadcast.changeVerifiers(verifiers);
    this.confirmation.changeVerifiers(verifiers);
  }

  end(): void {
    this.isOver = true;
  }

  private peerHeard(from: ConnectionId, nowMs: number): LearnerPeer | undefined {
    if (this.isOver || this.hasBeenAway(nowMs)) return undefined;
    this.seenMs = nowMs;
    const peer = this.learners.get(from);
    if (peer !== undefined) peer.heardMs = nowMs;
    return peer;
  }
}
