import type { ServerId } from '../quorum/quorum-verifier.js';
import type { ServerState, Vote } from './notification.js';

/** A vote with what decides whether it equals another. */
export interface Ballot {
  readonly vote: Vote;
  readonly round: number;
  readonly state: ServerState;
  /** Of the message that brought it; 0 where it is not to be compared. */
  readonly version: number;
}

/** The newest ballot of each voter. */
export type Ballots = ReadonlyMap<ServerId, Ballot>;

/**
 * Whether `vote` is for a better leader than `other`: a later epoch, or the same and a longer
 * history, or the same and a greater id. Everything beats no vote.
 *
 * The caller sees to it that nobody of weight 0 is a candidate.
 */
export function isBetter(vote: Vote, other: Vote | null): boolean {
  if (other === null) return true;
  if (vote.peerEpoch !== other.peerEpoch) return vote.peerEpoch > other.peerEpoch;
  if (vote.zxid !== other.zxid) return vote.zxid > other.zxid;
  return vote.leader > other.leader;
}

/**
 * Whether two ballots are for the same leader of the same election. ZooKeeper: Vote.equals.
 *
 * Those who are looking vote for a history, in a round. Those who have a leader may have found it in
 * different rounds and with different zxids (ZOOKEEPER-1805), so its epoch tells the elections apart;
 * but not where only one of the two comes from a release in which the epoch is that of the leader's
 * followers (ZOOKEEPER-1732), for the other one's is the epoch before.
 */
export function isSameVote(a: Ballot, b: Ballot): boolean {
  if (a.vote.leader !== b.vote.leader) return false;
  if (a.state === 'looking' || b.state === 'looking') {
    return (
      a.vote.zxid === b.vote.zxid && a.round === b.round && a.vote.peerEpoch === b.vote.peerEpoch
    );
  }
  if (a.version > 0 !== b.version > 0) return true;
  return a.vote.peerEpoch === b.vote.peerEpoch;
}

/** Those whose ballot is the same as `ballot`. */
export function supportersOf(ballot: Ballot, ballots: Ballots): Set<ServerId> {
  const supporters = new Set<ServerId>();
  for (const [id, other] of ballots) if (isSameVote(ballot, other)) supporters.add(id);
  return supporters;
}
