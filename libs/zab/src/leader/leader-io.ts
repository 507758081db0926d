import type { Zxid } from '@aviary/foundation';
import type { LearnerPacket } from '../learner/learner-packet.js';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import type { LeaderPacket } from './leader-packet.js';
import type { LearnerRole } from './learner-peer.js';

/** The host's name for a connection of a learner; never used for another one. */
export type ConnectionId = number;

/** What a server knows when it begins to lead, and how patient it is. */
export interface LeaderOptions {
  readonly self: ServerId;
  /** From the files `acceptedEpoch` and `currentEpoch`. */
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /** The last transaction of the log; all of it is durable and applied. */
  readonly lastZxid: Zxid;
  /** Who decides. The current configuration first; then the next one, if one was seen. */
  readonly verifiers: readonly [QuorumVerifier, ...QuorumVerifier[]];
  /** Version of the current configuration; learners with a later one are refused. */
  readonly configVersion: number;
  readonly tickMs: number;
  /** How long learners may take to agree and to get the history, in ticks. */
  readonly initLimitTicks: number;
  /** How long learners may be silent or behind after that, in ticks. */
  readonly syncLimitTicks: number;
}

/** All that can happen to a leader beside the hot path. Its time comes with it. */
export type LeaderInput =
  | { readonly kind: 'start' }
  /** A packet came, the first one being FOLLOWERINFO or OBSERVERINFO. */
  | { readonly kind: 'received'; readonly from: ConnectionId; readonly packet: LearnerPacket }
  /** A connection has ended by itself. */
  | { readonly kind: 'closed'; readonly connection: ConnectionId }
  /** The output of the same name is done, and survives a power cut. */
  | { readonly kind: 'acceptedEpochWritten'; readonly epoch: number }
  | { readonly kind: 'currentEpochWritten'; readonly epoch: number }
  /** A part of the history has left for the learner: it is not stuck. */
  | { readonly kind: 'historyMoved'; readonly to: ConnectionId }
  /** The whole history up to `through` is on its way, in order. */
  | { readonly kind: 'historySent'; readonly to: ConnectionId; readonly through: Zxid }
  /** The turn is over and `isConfirmationDue`. */
  | { readonly kind: 'confirm' }
  /** Half a tick has passed, or any other time. */
  | { readonly kind: 'tick' }
  /** Stop leading. */
  | { readonly kind: 'stop'; readonly reason: string };

/** What the host of a leader must now do, in order. */
export type LeaderOutput =
  /** Write, sync and rename the file, then say so. Files are written in the order of the outputs. */
  | { readonly kind: 'writeAcceptedEpoch'; readonly epoch: number }
  | { readonly kind: 'writeCurrentEpoch'; readonly epoch: number }
  | { readonly kind: 'send'; readonly to: ConnectionId; readonly packet: LeaderPacket<never> }
  /**
   * Bring a learner whose log ends with `lastZxid` up to date: plan, send the history as planned,
   * say `historySent`. Nothing else may be sent to it meanwhile.
   */
  | { readonly kind: 'synchronise'; readonly to: ConnectionId; readonly lastZxid: Zxid }
  /** The epoch has begun: `lastProcessed` is its start, proposals may be made. */
  | { readonly kind: 'activate'; readonly epoch: number }
  /**
   * Send what happened after `after` and was held back, then everything as it comes. To followers
   * each proposal, with a COMMIT behind it if it is committed; to observers INFORM for those.
   */
  | {
      readonly kind: 'forward';
      readonly to: ConnectionId;
      readonly role: LearnerRole;
      readonly after: Zxid;
    }
  /** Proposals are committed up to `through`; only from `step`, the hot path returns it. */
  | { readonly kind: 'commit'; readonly through: Zxid }
  /** Close the connection. No `closed` is expected for it. */
  | { readonly kind: 'close'; readonly connection: ConnectionId; readonly reason: string }
  /**
   * Stop leading: close every learner and client, wait until everything that was to be written is,
   * then apply the rest of the log or load all of it again (ZOOKEEPER-2845), and look for a leader.
   * This one says nothing more.
   */
  | { readonly kind: 'stepDown'; readonly reason: string };
