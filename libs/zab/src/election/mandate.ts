import type { ServerId } from '../quorum/quorum-verifier.js';
import { isBetter, type Ballot } from './ballot.js';
import type { Electorate } from './electorate.js';
import type { Notification } from './notification.js';

/**
 * Why a decision will not come true. `leaderElsewhere`: the leader looks for another one.
 * `leaderCrashed`: it was there, and does not run any more. `supportersLeft`: of those who elected
 * it, too few are left for a quorum.
 */
export type AbandonReason = 'leaderElsewhere' | 'leaderCrashed' | 'supportersLeft';

/**
 * A decision that the role has not confirmed yet.
 *
 * Votes are not promises: who has voted for a leader changes to a better one that turns up late, or
 * restarts. A server that decided before it heard of this would wait for a leader that follows
 * somebody else, or for followers that never come, until `initLimit` ends it (20 s in the usual
 * configuration). So it keeps listening until it is confirmed, and gives up on evidence. Because
 * giving up leads to a new round, which the others join, only what cannot be an old message counts.
 */
export class Mandate {
  private readonly me: ServerId;
  private readonly ballot: Ballot;
  private readonly supporters: Set<ServerId> | null;
  private readonly leaderWasHeard: boolean;

  /** `supporters`: those who elected `ballot`; null: it was not elected. */
  constructor(
    me: ServerId,
    ballot: Ballot,
    supporters: Set<ServerId> | null,
    leaderWasHeard: boolean,
  ) {
    this.me = me;
    this.ballot = ballot;
    this.supporters = supporters;
    this.leaderWasHeard = leaderWasHeard;
  }

  get leader(): ServerId {
    return this.ballot.vote.leader;
  }

  /** Whether it would matter that `peer` does not run. */
  dependsOn(peer: ServerId): boolean {
    return this.supporters?.has(peer) === true || (peer === this.leader && this.leaderWasHeard);
  }

  /** A voter is looking for a leader. */
  onLooking(from: ServerId, said: Notification, electorate: Electorate): AbandonReason | null {
    if (this.isSupport(said)) {
      this.supporters?.add(from);
      return null;
    }
    if (from === this.leader && this.isElsewhere(said)) return 'leaderElsewhere';
    return this.without(from, electorate);
  }

  /** The host of `peer` says that it does not run. */
  onCrashed(peer: ServerId, electorate: Electorate): AbandonReason | null {
    if (peer === this.leader) return this.leaderWasHeard ? 'leaderCrashed' : null;
    return this.without(peer, electorate);
  }

  /**
   * Within a round votes only get better, and rounds only go up. So a supporter who says anything
   * else has changed its mind, or forgotten it in a restart.
   */
  private without(peer: ServerId, electorate: Electorate): AbandonReason | null {
    const { supporters } = this;
    if (supporters?.delete(peer) !== true) return null;
    return electorate.isQuorum(supporters) ? null : 'supportersLeft';
  }

  private isSupport({ vote, round }: Notification): boolean {
    const own = this.ballot.vote;
    return (
      round === this.ballot.round &&
      vote?.leader === own.leader &&
      vote.zxid === own.zxid &&
      vote.peerEpoch === own.peerEpoch
    );
  }

  /** Whether these words of the leader are newer than its vote for itself in the round in question. */
  private isElsewhere({ vote, round }: Notification): boolean {
    if (this.leader === this.me) return false;
    if (this.supporters?.has(this.leader) === true) return true;
    if (round !== this.ballot.round) return round > this.ballot.round;
    return vote !== null && isBetter(vote, this.ballot.vote);
  }
}
