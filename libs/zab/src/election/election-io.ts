import type { Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';
import type { ElectionConfig } from './electorate.js';
import type { LinkFailure } from './links.js';
import type { AbandonReason } from './mandate.js';
import type { Notification, ServerState, Vote } from './notification.js';

/** How an {@link Election} is run. Times are in milliseconds. */
export interface ElectionOptions {
  readonly me: ServerId;
  readonly config: ElectionConfig;
  /**
   * How long to wait for voters who have said nothing, once a quorum agrees. Unset: as long as
   * two round trips take, at most 20 ms. ZooKeeper (FastLeaderElection.finalizeWait) has 200.
   */
  readonly finalizeWaitMs?: number;
  /** Silence after which votes are sent again (`fastleader.minNotificationInterval`): 200. */
  readonly notificationMinMs?: number;
  /** The silence doubles up to this (`fastleader.maxNotificationInterval`): 60,000. */
  readonly notificationMaxMs?: number;
  /**
   * At least so often, voters without a connection are dialled: 1,000. ZooKeeper dials when it sends
   * votes again, and after a long outage finds nobody for a minute.
   */
  readonly dialIntervalMs?: number;
  /**
   * Whether a newer configuration in a notification is taken over (`reconfigEnabled`). Then the host
   * answers every `newerConfig` with `configured`.
   */
  readonly adoptsNewerConfig?: boolean;
}

/** All that can happen to a server that takes part in elections. */
export type ElectionInput =
  /**
   * Look for a leader: at the start, and whenever a role has ended. `lastZxid` is the end of our log,
   * `currentEpoch` what the file of that name says. (An observer lets a random time of up to
   * `observer.election.DelayMs` pass first.) With `ZXID_UNKNOWN` we have lost what we may have
   * acknowledged: we have no vote and never lead, but find the leader that the others have, and
   * observe it.
   */
  | { readonly kind: 'look'; readonly lastZxid: Zxid; readonly currentEpoch: number }
  | {
      readonly kind: 'notification';
      readonly from: ServerId;
      readonly notification: Notification;
    }
  /** The time given in the last `setTimer` has passed. */
  | { readonly kind: 'timer' }
  /** Connected to `peer`, by whichever side. `rttMs`: how long that took, if we began; else null. */
  | { readonly kind: 'linkUp'; readonly peer: ServerId; readonly rttMs: number | null }
  /** The connection to `peer` ended, or could not be made. Not to be told when it was replaced. */
  | { readonly kind: 'linkDown'; readonly peer: ServerId; readonly failure: LinkFailure }
  /**
   * Leader and learners have found each other: the leader has connections from a quorum, a learner an
   * answer from its leader (LEADERINFO). From now on, these connections tell what becomes of them.
   */
  | { readonly kind: 'confirmed' }
  /**
   * A leader has a quorum in sync with it, a learner is in sync with its leader. `epoch` is the new
   * one; from now on others hear of it (QuorumPeer.updateElectionVote).
   */
  | { readonly kind: 'settled'; readonly epoch: number }
  /** The role is over. Until `look`, those who look for a leader get no answer, and are then heard. */
  | { readonly kind: 'roleEnded' }
  /** A reconfiguration names the leader, and no election is held. */
  | { readonly kind: 'appointed'; readonly leader: ServerId; readonly zxid: Zxid }
  /** The ensemble has another configuration. Who is looking begins anew. */
  | { readonly kind: 'configured'; readonly config: ElectionConfig };

/** What the host has to do, in this order. */
export type ElectionOutput =
  /**
   * Send over the connection to `to`; drop it if there is none. Of messages that wait for the socket,
   * the host keeps the newest only.
   */
  | { readonly kind: 'send'; readonly to: ServerId; readonly notification: Notification }
  /** Connect to `to` and tell how it went, unless that is under way. */
  | { readonly kind: 'connect'; readonly to: ServerId }
  /** Replaces the timer that is set, if any. */
  | { readonly kind: 'setTimer'; readonly ms: number }
  | { readonly kind: 'clearTimer' }
  /** The search is over. Take up the role. */
  | {
      readonly kind: 'decided';
      readonly state: Exclude<ServerState, 'looking'>;
      readonly leader: ServerId;
      readonly round: number;
      readonly vote: Vote;
    }
  /** The decision will not come true. End the role, then `look`; `roleEnded` is not needed. */
  | { readonly kind: 'abandon'; readonly leader: ServerId; readonly reason: AbandonReason }
  /** While we lead, `peer` is looking for a leader (Leader.reportLookingSid). */
  | { readonly kind: 'sawLooking'; readonly peer: ServerId }
  /**
   * While we look, `from` has told of a configuration that is newer than ours; the vote beside it was
   * passed over. Read it from the notification and answer with `configured`.
   */
  | { readonly kind: 'newerConfig'; readonly from: ServerId; readonly version: Zxid };
