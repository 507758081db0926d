import { assert, zxidCounter, zxidOf, type Zxid } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import { QuorumPositions } from './quorum-positions.js';

/** ZooKeeper never proposes this counter: it asks for a new epoch instead (ZOOKEEPER-1277). */
const COUNTER_END = 0xffff_ffff;

/** Those whose acknowledgements commit the proposals up to `through`. */
interface Rule {
  through: Zxid;
  readonly positions: QuorumPositions;
}

/**
 * Which proposals of an epoch are committed: those that quorums have in their logs, in order.
 *
 * A log has no holes, and the acknowledgements of one connection come in the order of the log. So
 * an acknowledgement stands for all proposals before it too. That ends with the connection: a
 * follower that comes back may be told to cut what it had acknowledged, and then what it said before
 * must not commit anything. Call {@link forget} when a connection ends.
 *
 * Made for the hot path: numbers in, numbers out, and nothing is allocated.
 */
export class Broadcast {
  private readonly rules: Rule[];
  private lastProposedZxid: Zxid;
  private committedZxid: Zxid;
  private loggedZxid: Zxid;

  /** `verifiers`: the current one and, while a reconfiguration is under way, the next. */
  constructor(
    epoch: number,
    private readonly self: ServerId,
    verifiers: readonly QuorumVerifier[],
  ) {
    const start = zxidOf(epoch, 0);
    this.lastProposedZxid = start;
    this.committedZxid = start;
    this.loggedZxid = start;
    this.rules = [{ through: Infinity, positions: new QuorumPositions(verifiers) }];
  }

  /** The last proposal; the start of the epoch before the first one. */
  get lastProposed(): Zxid {
    return this.lastProposedZxid;
  }

  /** The zxid that the next proposal has to have; 0: the epoch is used up, step down. */
  get nextZxid(): Zxid {
    const next = this.lastProposedZxid + 1;
    return zxidCounter(next) === COUNTER_END ? 0 : next;
  }

  /** The last committed proposal; the start of the epoch before the first one. */
  get committed(): Zxid {
    return this.committedZxid;
  }

  /**
   * Up to where the leader may apply: what is committed and in its own log too. Memory never gets
   * ahead of the log that it is rebuilt from (ZOOKEEPER-4882).
   */
  get applicable(): Zxid {
    return Math.min(this.committedZxid, this.loggedZxid);
  }

  /** Notes a proposal, which must be {@link nextZxid}. */
  propose(zxid: Zxid): void {
    assert(zxid === this.nextZxid, 'proposals have no holes');
    this.lastProposedZxid = zxid;
  }

  /**
   * Follower `id` has the proposals up to `zxid` in its log. Returns the last proposal that this
   * commits, 0 if none. Acknowledgements of others than voters, of other epochs and of what was
   * never proposed commit nothing.
   */
  acknowledge(id: ServerId, zxid: Zxid): Zxid {
    if (zxid <= this.committedZxid || zxid > this.lastProposedZxid) return 0;
    for (const { positions } of this.rules) positions.advance(id, zxid);
    return this.commit();
  }

  /** The leader's own log is durable up to `zxid`. Returns as {@link acknowledge} does. */
  logged(zxid: Zxid): Zxid {
    assert(zxid <= this.lastProposedZxid, 'only proposals are logged');
    if (zxid > this.loggedZxid) this.loggedZxid = zxid;
    return this.acknowledge(this.self, zxid);
  }

  /** The connection of `id` has ended: what it acknowledged and is not committed counts no longer. */
  forget(id: ServerId): void {
    for (const { positions } of this.rules) positions.forget(id);
  }

  /** Proposals from now on need quorums of `verifiers`; those before, what they needed. */
  changeVerifiers(verifiers: readonly QuorumVerifier[]): void {
    const last = this.rules.at(-1);
    if (last !== undefined) last.through = this.lastProposedZxid;
    this.rules.push({ through: Infinity, positions: new QuorumPositions(verifiers) });
  }

  private commit(): Zxid {
    const before = this.committedZxid;
    for (;;) {
      const { through, positions } = this.rules[0];
      const reached = Math.min(positions.agreed, through);
      if (reached > this.committedZxid) this.committedZxid = reached;
      if (this.committedZxid < through) break;
      this.rules.shift();
    }
    return this.committedZxid > before ? this.committedZxid : 0;
  }
}
