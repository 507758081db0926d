import { assert, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';

/**
 * The proposals of an epoch at a server that follows: which came, which are in its log, which may be
 * applied. The hot path of a follower or an observer: numbers in, numbers out.
 *
 * A server applies what is committed *and* in its own log, so that memory never gets ahead of what it
 * is rebuilt from. ZooKeeper applies without waiting for its own log, and after a passing disk error
 * has in memory what its log will never have (ZOOKEEPER-4882).
 */
export class FollowerTracker {
  private readonly epochStart: Zxid;
  private lastProposedZxid: Zxid;
  private committedZxid: Zxid;
  private loggedZxid: Zxid;

  /** Everything up to `lastZxid` is logged, committed and applied. */
  constructor(
    private readonly epoch: number,
    lastZxid: Zxid,
  ) {
    assert(zxidEpoch(lastZxid) <= epoch, 'history is of this epoch or before');
    this.epochStart = zxidOf(epoch, 0);
    this.lastProposedZxid = lastZxid;
    this.committedZxid = lastZxid;
    this.loggedZxid = lastZxid;
  }

  /** The last proposal that came. */
  get lastProposed(): Zxid {
    return this.lastProposedZxid;
  }

  /** Up to where the leader has said that proposals are committed. */
  get lastCommitted(): Zxid {
    return this.committedZxid;
  }

  /** Up to where may be applied: committed and logged. */
  get applicable(): Zxid {
    return Math.min(this.committedZxid, this.loggedZxid);
  }

  /** A proposal came, to be logged. False: it is not the next one, leave. */
  proposed(zxid: Zxid): boolean {
    if (zxid !== this.after(this.lastProposedZxid) || zxidEpoch(zxid) !== this.epoch) return false;
    this.lastProposedZxid = zxid;
    return true;
  }

  /**
   * The log is durable up to `zxid`. Returns the first proposal to acknowledge, 0 if there is none:
   * each one from there up to `zxid` needs an acknowledgement of its own, in order.
   */
  logged(zxid: Zxid): Zxid {
    assert(zxid <= this.lastProposedZxid, 'only proposals are logged');
    if (zxid <= this.loggedZxid) return 0;
    const first = this.after(this.loggedZxid);
    this.loggedZxid = zxid;
    return first;
  }

  /**
   * A proposal is committed. False: it is not the oldest that waits for it. Then this server does not
   * know what it has, and must leave; ZooKeeper ends the process.
   */
  committed(zxid: Zxid): boolean {
    if (zxid <= this.committedZxid) return true;
    if (zxid !== this.after(this.committedZxid) || zxid > this.lastProposedZxid) return false;
    this.committedZxid = zxid;
    return true;
  }

  /** A committed transaction came, to be logged. False: it is not the next one, leave. */
  informed(zxid: Zxid): boolean {
    return this.proposed(zxid) && this.committed(zxid);
  }

  private after(zxid: Zxid): Zxid {
    return Math.max(zxid, this.epochStart) + 1;
  }
}
