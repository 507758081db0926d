import type { Zxid } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import { NO_EPOCH } from '../learner/learner-packet.js';

/**
 * Which epoch a new leader opens, and whether it may: Zab's discovery, as the leader counts it.
 *
 * First it takes an epoch above all that a quorum has agreed to before, so no older leader can win
 * that quorum again. Then a quorum, which from now on listens to no older leader, shows where its
 * histories end. If none is ahead of the leader's, the leader has everything that was ever committed.
 */
export class EpochAgreement {
  private readonly joined = new Set<ServerId>();
  private readonly acknowledged = new Set<ServerId>();
  private lowest = 1;
  private isEpochFixed = false;

  constructor(
    private readonly verifier: QuorumVerifier,
    private readonly self: ServerId,
    private readonly currentEpoch: number,
    private readonly lastZxid: Zxid,
  ) {}

  /** The epoch to open; may still rise until it is fixed. */
  get epoch(): number {
    return this.lowest;
  }

  /** A server asks to learn, or the leader begins. Returns whether this fixes the epoch. */
  join(id: ServerId, acceptedEpoch: number): boolean {
    if (this.isEpochFixed) return false;
    this.lowest = Math.max(this.lowest, acceptedEpoch + 1);
    if (this.verifier.isVoter(id)) this.joined.add(id);
    this.isEpochFixed = this.joined.has(this.self) && this.verifier.isQuorum(this.joined);
    return this.isEpochFixed;
  }

  /**
   * Whether a learner has what the leader does not: the leader must give up then. A learner that
   * agreed to this epoch before does not say.
   */
  isAhead(currentEpoch: number, lastZxid: Zxid): boolean {
    if (currentEpoch === NO_EPOCH) return false;
    if (currentEpoch !== this.currentEpoch) return currentEpoch > this.currentEpoch;
    return lastZxid > this.lastZxid;
  }

  /**
   * A server has agreed to the epoch. Returns whether a quorum has now. Not counted: those without a
   * vote, without a database, and those that agreed to this epoch before, perhaps for another leader.
   */
  acknowledge(id: ServerId, currentEpoch: number, lastZxid: Zxid): boolean {
    if (currentEpoch !== NO_EPOCH && lastZxid >= 0 && this.verifier.isVoter(id)) {
      this.acknowledged.add(id);
    }
    return this.acknowledged.has(this.self) && this.verifier.isQuorum(this.acknowledged);
  }
}
