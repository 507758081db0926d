import { formatZxid, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';
import type { ServerId } from '@aviary/zab';
import type { MemberState } from './member-state.js';

/**
 * How much of the history of a member is committed for sure, so that no leader may lack it.
 *
 * The end of a log need not be: what only a minority has logged is cut off again, and nothing is lost.
 * But a leader that lacks what was committed was elected by servers that have lost it. It has then to be
 * said that this is so, before what the others had is gone here, too.
 */
export class CommittedHistory {
  private seen: Zxid = 0;

  /** A role has ended in which clients were served: it had applied what is committed. */
  noteServed(lastApplied: Zxid): void {
    this.seen = lastApplied;
  }

  /** The history was given up. */
  forget(): void {
    this.seen = 0;
  }

  /** Up to where this server knows that its history is committed; 0: it knows nothing. */
  through(state: MemberState): Zxid {
    const { history, lastLogged, snapshotZxid } = state;
    // Before anything was proposed in its epoch, a quorum had all that stands before.
    const earlier = history.indexAfter(zxidOf(zxidEpoch(lastLogged), 0)) - 1;
    const ended = earlier < 0 ? 0 : history.zxidAt(earlier);
    // Snapshots are taken of what is applied, except at a start.
    const kept = snapshotZxid < lastLogged ? snapshotZxid : 0;
    return Math.max(this.seen, ended, kept);
  }
}

/** What a leader does not have, though it is here. */
export class MissingHistory {
  constructor(
    private readonly leader: ServerId,
    private readonly leaderZxid: Zxid,
    private readonly ownZxid: Zxid,
    /** Whether it is known to be committed. */
    private readonly isCommitted: boolean,
  ) {}

  /** What there is to say, without what becomes of it. */
  sentence(self: ServerId): string {
    const [leader, own] = [formatZxid(this.leaderZxid), formatZxid(this.ownZxid)];
    return (
      `Server ${this.leader} leads with a history that ended at 0x${leader}, but here, at server ${self}, ` +
      `transactions up to 0x${own} are ${this.isCommitted ? 'committed' : 'logged'}: most of the servers ` +
      'have lost their data, or run on empty or wrong data directories.'
    );
  }
}
