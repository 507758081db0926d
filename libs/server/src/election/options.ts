import type { HostPort } from '@aviary/protocol';
import type { AbandonReason, ElectionOptions, ServerId, ServerState, Vote } from '@aviary/zab';
import type { ElectionMembership } from './membership.js';

/** Caps on what anybody who reaches the election port can make the server hold. */
export interface ElectionLimits {
  /** Accepted connections that have not said whose they are; one more ends the oldest. */
  readonly callersMax: number;
  /** Servers with a connection that are not in the configuration; one more ends the oldest. */
  readonly strangersMax: number;
}

/** What an election port is made with. Times are in milliseconds. */
export interface ElectionPortOptions {
  readonly me: ServerId;
  /** Our election addresses as configured: where we listen, and what others are told. */
  readonly ownAddresses: readonly HostPort[];
  readonly membership: ElectionMembership;
  /**
   * The text of the configuration in force (QuorumVerifier.toString), asked for with every message:
   * each carries it.
   */
  readonly configText: () => string;
  /** How long a connection may take to say whose it is: `tickTime` times `syncLimit`. */
  readonly handshakeTimeoutMs: number;
  /** `zookeeper.cnxTimeout`: 5000. */
  readonly connectTimeoutMs?: number;
  /** `zookeeper.electionPortBindRetry`: how often it is tried to listen, a second apart: 3; 0: without end. */
  readonly bindRetry?: number;
  /** `quorumListenOnAllIPs`: false. */
  readonly listensOnAllInterfaces?: boolean;
  /** `multiAddress.enabled`, the same on all servers: false, and then there is one own address. */
  readonly isMultiAddress?: boolean;
  /** `zookeeper.observer.election.DelayMs`: up to how long an observer waits before it looks again: 200. */
  readonly observerDelayMs?: number;
  /** How the election itself is run. */
  readonly election?: Omit<ElectionOptions, 'me' | 'config'>;
  readonly limits?: Partial<ElectionLimits>;
}

/**
 * What an election port tells the loop of its member. Each call comes from the event loop or from
 * within a call of the port; the port may be called from in here.
 */
export interface ElectionListener {
  /** The search is over: take up the role. Then `confirmed` and `settled` as it comes true, or `roleEnded`. */
  decided(state: Exclude<ServerState, 'looking'>, leader: ServerId, vote: Vote): void;
  /** The decision will not come true: end the role, then `look`. `roleEnded` is not needed. */
  abandon(leader: ServerId, reason: AbandonReason): void;
  /** While we lead: `peer` looks for a leader (Leader.reportLookingSid). */
  sawLooking(peer: ServerId): void;
  /**
   * With `election.adoptsNewerConfig`, while we look: `peer` has a configuration that is newer than ours. Take
   * it over and call `configured`; the text can be read.
   */
  sawNewerConfig(peer: ServerId, text: string): void;
}

/** Room for an ensemble that starts all at once, and for little else. */
export const ELECTION_LIMITS_DEFAULT: ElectionLimits = { callersMax: 64, strangersMax: 32 };
