import {
  EnsembleConfigError,
  NO_VOTE,
  PeerState,
  notificationFrame,
  parseEnsembleConfig,
  type NotificationMessage,
} from '@aviary/protocol';
import type { Notification, ServerState } from '@aviary/zab';

/**
 * The highest round that is believed. Rounds begin at 0 with each process and grow by one with each
 * search; whoever says more than this would, by the rules, move the whole ensemble to where rounds
 * cannot be counted any further.
 */
export const ROUND_MAX = 2 ** 48;

const STATES: readonly ServerState[] = ['looking', 'following', 'leading', 'observing'];

/** What the election says, as bytes for the wire, with the configuration beside it. */
export function encodeNotification(
  { state, vote, round }: Notification,
  config: string,
): Uint8Array {
  return notificationFrame({
    state: PeerState[state],
    leader: vote?.leader ?? null,
    zxid: vote?.zxid ?? NO_VOTE,
    electionEpoch: round,
    peerEpoch: vote?.peerEpoch ?? NO_VOTE,
    config,
  });
}

/** What a peer said, for the election. `configVersion`: of the configuration beside it, or 0. */
export function decodeNotification(
  message: NotificationMessage,
  configVersion: number,
): Notification {
  const { leader, zxid, peerEpoch, electionEpoch: round, version } = message;
  return {
    state: STATES[message.state],
    vote: leader === null ? null : { leader, zxid, peerEpoch },
    round,
    version,
    configVersion,
  };
}

/** Versions of configurations, for peers that send one text again and again. */
export class ConfigVersions {
  private text: string | null = null;
  private version = 0;

  /** The version that `text` gives itself; 0 where it cannot be read, or is none. */
  of(text: string | null): number {
    if (text === null) return 0;
    if (text !== this.text) {
      this.text = text;
      this.version = read(text);
    }
    return this.version;
  }
}

function read(text: string): number {
  try {
    return parseEnsembleConfig(text, { isMultiAddressEnabled: true }).version;
  } catch (error) {
    if (!(error instanceof EnsembleConfigError)) throw error;
    return 0;
  }
}
