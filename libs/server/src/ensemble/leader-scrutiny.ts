import { zxidEpoch, type Zxid } from '@aviary/foundation';
import type { LeaderPacket, Vote } from '@aviary/zab';
import { MissingHistory } from './committed-history.js';
import type { MemberContext } from './member-context.js';

/** Looks whether a leader lacks what is here, before anything of that is changed for it. */
export class LeaderScrutiny {
  /** What is to be put aside, since the leader cuts it off; null: nothing. */
  givesWay: MissingHistory | null = null;
  private epoch = 0;

  /**
   * @param vote With which the leader is said to have been elected.
   * @param committed Up to where it is known here what is committed; 0: nothing is known.
   */
  constructor(
    private readonly member: MemberContext,
    private readonly vote: Vote,
    private readonly committed: Zxid,
  ) {}

  /** Whether to go on with the leader that has sent `packet`. */
  accepts(packet: LeaderPacket<Uint8Array>): boolean {
    switch (packet.type) {
      case 'leaderInfo':
        this.epoch = packet.epoch;
        return true;
      case 'diff':
      case 'snap':
        this.warnOfElection();
        return true;
      case 'trunc':
        if (packet.zxid < this.committed) return this.refuseCut(packet.zxid);
        this.warnOfElection();
        return true;
      default:
        return true;
    }
  }

  /**
   * What is committed was cut off by those who elected the leader. They go on without it, so this
   * server goes with them, but keeps what only it has.
   */
  private refuseCut(zxid: Zxid): boolean {
    const missing = new MissingHistory(this.vote.leader, zxid, this.committed, true);
    if (this.member.rejoin.mayGiveWay) this.givesWay = missing;
    else this.member.lacks(missing);
    return false;
  }

  /**
   * The vote may be that of an election before, after which the leader has logged much: that is why
   * nothing but a word comes of it, and none where the vote is not of this epoch.
   */
  private warnOfElection(): void {
    const { committed, epoch, member, vote } = this;
    const { lastLogged } = member.state;
    const isEmpty = vote.zxid === 0 && zxidEpoch(lastLogged) > 0;
    const own = isEmpty ? Math.max(committed, lastLogged) : committed;
    if (vote.peerEpoch !== epoch || own <= vote.zxid || zxidEpoch(own) >= epoch) return;
    member.lacks(new MissingHistory(vote.leader, vote.zxid, own, own === committed));
  }
}
