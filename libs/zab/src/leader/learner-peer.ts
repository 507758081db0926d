import type { Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';
import type { ConnectionId } from './leader-io.js';

/**
 * How far a learner has come:
 * - `introduced`: it has said who it is, and waits for an epoch;
 * - `asked`: LEADERINFO is sent, ACKEPOCH is to come;
 * - `agreed`: it has agreed to the epoch, and waits until a quorum has;
 * - `receiving`: its history is being sent;
 * - `offered`: NEWLEADER is sent, the acknowledgement is to come;
 * - `ready`: it has the history, and waits for the epoch to begin;
 * - `live`: it gets everything as it happens.
 */
export type LearnerStage =
  'introduced' | 'asked' | 'agreed' | 'receiving' | 'offered' | 'ready' | 'live';

/** Observers learn what is committed, and acknowledge nothing. */
export type LearnerRole = 'follower' | 'observer';

/** A learner as its leader sees it. */
export class LearnerPeer {
  stage: LearnerStage = 'introduced';
  /** Where its log ended when it came. */
  lastZxid: Zxid = 0;
  /** It has been sent the history up to here; what comes after is held until it is live. */
  through: Zxid = 0;
  /** The last proposal that it has acknowledged, or got as history. */
  acknowledged: Zxid = 0;
  liveSinceMs = 0;
  /** When the last packet of it came. */
  heardMs: number;
  /** Since when it has been waited for, in a stage in which it has to do something. */
  waitingSinceMs: number;

  constructor(
    readonly connection: ConnectionId,
    readonly sid: ServerId,
    readonly role: LearnerRole,
    readonly connectedMs: number,
  ) {
    this.heardMs = connectedMs;
    this.waitingSinceMs = connectedMs;
  }

  get isLive(): boolean {
    return this.stage === 'live';
  }

  /** Whether the next step is the learner's, or its connection's. */
  get isWaitedFor(): boolean {
    return this.stage === 'asked' || this.stage === 'receiving' || this.stage === 'offered';
  }

  /** Whether it has to be brought up to date, and the host has to keep what it will need. */
  get isBehind(): boolean {
    return this.stage === 'receiving' || this.stage === 'offered' || this.stage === 'ready';
  }
}
