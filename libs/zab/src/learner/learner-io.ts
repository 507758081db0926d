import type { Zxid } from '@aviary/foundation';
import type { LeaderPacket } from '../leader/leader-packet.js';
import type { LearnerRole } from '../leader/learner-peer.js';
import type { ServerId } from '../quorum/quorum-verifier.js';
import type { LearnerPacket } from './learner-packet.js';

/** What a server knows when it begins to learn from an elected leader, and how patient it is. */
export interface LearnerOptions {
  readonly self: ServerId;
  readonly role: LearnerRole;
  /** From the files `acceptedEpoch` and `currentEpoch`. */
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /** Where the history ends that is on disk: the last logged transaction, or the snapshot's zxid. */
  readonly lastZxid: Zxid;
  /** Version of the configuration that this server has. */
  readonly configVersion: number;
  /**
   * The same leader has asked for a cut that was not possible: ask for a snapshot instead. Only in an
   * epoch that this server has agreed to before, because then its answer does not count: the leader
   * must not take it for one that has nothing.
   */
  readonly needsSnapshot?: boolean;
  /**
   * This server has lost what it may have acknowledged. It says that it does not know its history: no
   * leader counts that answer, and what comes must be a snapshot.
   */
  readonly hasLostHistory?: boolean;
  readonly tickMs: number;
  /** How long the leader may be silent until it says UPTODATE, in ticks. */
  readonly initLimitTicks: number;
  /** How long the leader may be silent after that, in ticks. */
  readonly syncLimitTicks: number;
}

/** A transaction of the leader's history, which goes into the log as it came. */
export interface HistoryEntry<Transaction> {
  readonly zxid: Zxid;
  readonly transaction: Transaction;
}

/** All that can happen to a learner. Its time comes with it. */
export type LearnerInput<Transaction> =
  /** The connection is there. */
  | { readonly kind: 'start' }
  | { readonly kind: 'received'; readonly packet: LeaderPacket<Transaction> }
  /** Something that is not Zab's came: a part of the snapshot, an answer of the leader. */
  | { readonly kind: 'heard' }
  /** The connection has ended by itself. */
  | { readonly kind: 'closed' }
  /** The output of the same name is done, and survives a power cut. */
  | { readonly kind: 'acceptedEpochWritten'; readonly epoch: number }
  | { readonly kind: 'logTruncated' }
  /** Instead of `logTruncated`: nothing would be left that ends there, so nothing was changed. */
  | { readonly kind: 'cannotTruncate' }
  /** Memory is what is on disk, which ends with `lastZxid`. */
  | { readonly kind: 'reloaded'; readonly lastZxid: Zxid }
  /** The snapshot came to its end and is sound. It is not the server's state yet. */
  | { readonly kind: 'snapshotReceived' }
  | { readonly kind: 'snapshotInstalled' }
  | { readonly kind: 'historyLogged' }
  | { readonly kind: 'currentEpochWritten'; readonly epoch: number }
  /** The log is durable up to `zxid`. */
  | { readonly kind: 'logged'; readonly zxid: Zxid }
  /** Something that was asked for cannot be done. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Half a tick has passed, or any other time. */
  | { readonly kind: 'tick' }
  /** Stop learning. */
  | { readonly kind: 'stop'; readonly reason: string };

/** What the host of a learner must now do, in order. */
export type LearnerOutput<Transaction> =
  /** Until `serve`, nothing else may be sent: the leader takes the next packet for its answer. */
  | { readonly kind: 'send'; readonly packet: LearnerPacket }
  /** Write, sync and rename the file, then say so. Files are written in the order of the outputs. */
  | { readonly kind: 'writeAcceptedEpoch'; readonly epoch: number }
  | { readonly kind: 'writeCurrentEpoch'; readonly epoch: number }
  /**
   * Delete the snapshots that have more than `zxid`, then cut the log behind it (ZOOKEEPER-1549),
   * durably and in this order; behind 0 nothing is left. Where no older snapshot and log lead up to
   * `zxid`, change nothing and say `cannotTruncate`: what would be left is less than what others
   * count on. Memory is invalid now.
   */
  | { readonly kind: 'truncateLog'; readonly zxid: Zxid }
  /** Make memory what is on disk. */
  | { readonly kind: 'reload' }
  /** Read the snapshot that follows on the connection, and check it. Memory is invalid now. */
  | { readonly kind: 'receiveSnapshot'; readonly zxid: Zxid }
  /**
   * Make the snapshot the state of this server, in memory and durably: cut the log behind `zxid`,
   * then let the snapshot appear under its name. What is older is of another history, perhaps: a
   * restart must not build on it.
   */
  | { readonly kind: 'installSnapshot'; readonly zxid: Zxid }
  /** Append to the log and sync. */
  | { readonly kind: 'logHistory'; readonly entries: readonly HistoryEntry<Transaction>[] }
  /** Apply what was just logged, and remember it as committed. */
  | { readonly kind: 'applyHistory'; readonly entries: readonly HistoryEntry<Transaction>[] }
  /** The history is complete: serve clients. `epoch` is the one to name in elections. */
  | { readonly kind: 'serve'; readonly epoch: number }
  /** Append to the log, and say `logged` when it is durable. */
  | { readonly kind: 'logProposal'; readonly entry: HistoryEntry<Transaction> }
  /** Apply what was logged up to `through`. */
  | { readonly kind: 'apply'; readonly through: Zxid }
  /**
   * Close the connection and the clients', wait until everything that was to be written is
   * (ZOOKEEPER-4712), and look for a leader; the vote names the end of the log. With `invalid`
   * memory load everything from disk first, with `valid` applying the rest of the log is enough
   * (ZOOKEEPER-2845). The learner says nothing more.
   */
  | {
      readonly kind: 'leave';
      readonly reason: string;
      readonly memory: 'valid' | 'invalid';
      /** `askAgain`: go to the same leader first, with `needsSnapshot`; it still waits for a quorum. */
      readonly then: 'look' | 'askAgain';
    };
