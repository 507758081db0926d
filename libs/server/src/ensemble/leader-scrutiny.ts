import type { LeaderPacket } from '@aviary/zab';
import type { MissingHistory } from './committed-history.js';
import type { MemberContext } from './member-context.js';

/** Looks whether a leader lacks what is committed here, before anything of that is changed for it. */
export class LeaderScrutiny {
  /** What is to be put aside, since the leader lacks it; null: nothing. */
  givesWay: MissingHistory | null = null;
  private epoch = 0;

  /** @param missing What the leader lacked when it was elected. */
  constructor(
    private readonly member: MemberContext,
    private readonly missing: MissingHistory | null,
  ) {}

  /** Whether to go on with the leader that has sent `packet`. */
  accepts(packet: LeaderPacket<Uint8Array>): boolean {
    const { member, missing } = this;
    if (missing === null) return true;
    switch (packet.type) {
      case 'leaderInfo':
        this.epoch = packet.epoch;
        // Those who elected it do not know of the epochs before, either: it will not be followed.
        if (packet.epoch < member.epochs.accepted) member.lacks(missing);
        return true;
      case 'diff':
      case 'snap':
        return this.judge(missing, missing.holdsIn(this.epoch));
      case 'trunc':
        // A leader has all that it has proposed itself, and cuts nothing of that.
        return this.judge(missing, missing.holdsIn(this.epoch) || missing.isCutAt(packet.zxid));
      default:
        return true;
    }
  }

  private judge(missing: MissingHistory, isMissing: boolean): boolean {
    const { rejoin } = this.member;
    if (isMissing && rejoin.mayGiveWay) this.givesWay = missing;
    else if (isMissing) this.member.lacks(missing);
    return !isMissing;
  }
}
