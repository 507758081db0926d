import type { Zxid } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import { isBetter } from './ballot.js';
import type { Vote } from './notification.js';

/** Who votes in one version of the ensemble's configuration. */
export interface VersionedQuorum {
  /** The zxid of the reconfiguration that made it; 0: static. */
  readonly version: Zxid;
  readonly verifier: QuorumVerifier;
}

/** The ensemble, as far as its elections are concerned. */
export interface ElectionConfig {
  /** In force. */
  readonly current: VersionedQuorum;
  /** Proposed by a leader, and perhaps committed by now. Counts only if newer than `current`. */
  readonly lastSeen: VersionedQuorum | null;
  /** Whether this server is listed as an observer. One that is not listed follows without a vote. */
  readonly observer: boolean;
}

/**
 * Those who elect, while a reconfiguration may be under way: whoever votes in the configuration in
 * force or in the proposed one has a say, and a quorum must be one of both.
 */
export class Electorate {
  readonly config: ElectionConfig;
  /** Of either configuration, ascending. */
  readonly voters: readonly ServerId[];
  private readonly current: QuorumVerifier;
  private readonly next: QuorumVerifier | null;

  constructor(config: ElectionConfig) {
    const { current, lastSeen } = config;
    this.config = config;
    this.current = current.verifier;
    this.next = lastSeen !== null && lastSeen.version > current.version ? lastSeen.verifier : null;
    const voters = new Set([...this.current.voters, ...(this.next?.voters ?? [])]);
    this.voters = [...voters].sort((a, b) => a - b);
  }

  isVoter(id: ServerId): boolean {
    return this.current.isVoter(id) || this.next?.isVoter(id) === true;
  }

  /** Whether a server may vote for itself: only by the configuration in force. */
  isCandidate(id: ServerId): boolean {
    return this.current.isVoter(id);
  }

  isElectable(vote: Vote): boolean {
    return this.weightOf(vote.leader) !== 0;
  }

  /** Whether to vote so instead. Not electable are we, of weight 0, at the beginning of a round. */
  prefers(vote: Vote, other: Vote | null): boolean {
    if (!this.isElectable(vote)) return false;
    return other === null || !this.isElectable(other) || isBetter(vote, other);
  }

  weightOf(id: ServerId): number {
    const verifier = this.current.isVoter(id) ? this.current : (this.next ?? this.current);
    return verifier.weightOf(id);
  }

  isQuorum(supporters: ReadonlySet<ServerId>): boolean {
    return this.current.isQuorum(supporters) && this.next?.isQuorum(supporters) !== false;
  }
}
