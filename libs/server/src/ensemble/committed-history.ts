import { formatZxid, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';
import type { ServerId, Vote } from '@aviary/zab';
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

  /** What a leader lacks that was elected with `vote`; null: nothing, as far as can be known. */
  missingFrom({ leader, zxid }: Vote, state: MemberState): MissingHistory | null {
    const through = this.through(state);
    if (through > zxid) return new MissingHistory(leader, zxid, through, true);
    // Next to a leader that has nothing at all, all that is here counts.
    const isEmpty = zxid === 0 && state.lastLogged > 0;
    return isEmpty ? new MissingHistory(leader, zxid, state.lastLogged, false) : null;
  }
}

/** What a leader did not have when it was elected, though it is here. */
export class MissingHistory {
  constructor(
    readonly leader: ServerId,
    private readonly leaderZxid: Zxid,
    private readonly ownZxid: Zxid,
    /** Whether it is known to be committed; else it most probably is. */
    readonly isCommitted: boolean,
  ) {}

  /** Whether a cut at `zxid` would take some of it, in whatever epoch. */
  isCutAt(zxid: Zxid): boolean {
    return this.ownZxid > zxid;
  }

  /** Whether it is missing in the epoch of the leader: what is of that epoch may be the leader's own. */
  holdsIn(epoch: number): boolean {
    return zxidEpoch(this.ownZxid) < epoch;
  }

  /** What there is to say, without what becomes of it. */
  sentence(self: ServerId): string {
    return (
      `Server ${this.leader} leads with a history that ended at 0x${formatZxid(this.leaderZxid)} when it was ` +
      `elected, but here, at server ${self}, transactions up to 0x${formatZxid(this.ownZxid)} are ` +
      `${this.isCommitted ? 'committed' : 'logged'}: most of the servers have lost their data, or run on ` +
      'empty or wrong data directories.'
    );
  }
}
