import type { Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';

/** The epoch in an ACKEPOCH that does not count as one: its sender had accepted that epoch before. */
export const NO_EPOCH = -1;

/** With what a learner introduces itself. */
export interface LearnerInfo {
  readonly sid: ServerId;
  /** The last epoch that it agreed to. */
  readonly acceptedEpoch: number;
  /** Version of the configuration that it has. */
  readonly configVersion: number;
}

/**
 * What a learner says to its leader, as far as Zab is concerned. ZooKeeper's `QuorumPacket`, read:
 * `epoch` is the upper half of a zxid whose lower half is 0.
 */
export type LearnerPacket =
  /** FOLLOWERINFO: of a server that is no observer. */
  | ({ readonly type: 'followerInfo' } & LearnerInfo)
  /** OBSERVERINFO. */
  | ({ readonly type: 'observerInfo' } & LearnerInfo)
  /** ACKEPOCH: the epoch whose history it holds, or {@link NO_EPOCH}; and where its log ends. */
  | { readonly type: 'ackEpoch'; readonly currentEpoch: number; readonly lastZxid: Zxid }
  /** ACK: of a proposal; with counter 0: of NEWLEADER, then of UPTODATE. */
  | { readonly type: 'ack'; readonly zxid: Zxid }
  /** PING: the answer to the one with this zxid. The sessions that it carries are the host's. */
  | { readonly type: 'ping'; readonly zxid: Zxid };
