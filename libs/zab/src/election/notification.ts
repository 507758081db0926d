import type { Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';

/** What a server is doing. ZooKeeper: QuorumPeer.ServerState. */
export type ServerState = 'looking' | 'following' | 'leading' | 'observing';

/** The zxid of a server that does not know its history, because its data are gone. */
export const ZXID_UNKNOWN = -1;

/** A candidate, and how much it knows. ZooKeeper: Vote. */
export interface Vote {
  readonly leader: ServerId;
  /** The last transaction in the candidate's log; {@link ZXID_UNKNOWN}: not to be elected. */
  readonly zxid: Zxid;
  /** The candidate's `currentEpoch`. Once it leads, and its followers are in sync: their epoch. */
  readonly peerEpoch: number;
}

/** What one server tells another in an election. ZooKeeper: FastLeaderElection.Notification. */
export interface Notification {
  /** Of the sender. */
  readonly state: ServerState;
  /**
   * Whom the sender votes for, or has as its leader. null: it does not vote (on the wire, leader,
   * zxid and epoch are then Long.MIN_VALUE).
   */
  readonly vote: Vote | null;
  /** How often the sender has begun to look for a leader; the "election epoch" of the wire. */
  readonly round: number;
  /** Of the message: 0 before 3.4.6, 1 before 3.5, then 2. */
  readonly version: number;
  /** Of the sender's configuration; 0 where it says nothing of one, or nothing that can be read. */
  readonly configVersion: Zxid;
}

/** The version of the messages that we send. */
export const NOTIFICATION_VERSION = 2;
