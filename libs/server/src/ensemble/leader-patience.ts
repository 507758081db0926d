import type { ServerId } from '@aviary/zab';

const PAUSE_MS = 20;
const PAUSE_MS_MAX = 500;
/** The first that fails may have come too early, to a leader that did not know yet that it leads. */
const WITHOUT_PAUSE = 2;

/**
 * How long a member waits before it asks a leader again with which nothing has come of it. Some refuse
 * it every time: a leader of an epoch before the one that this member has agreed to, or one that thinks
 * it damaged. Others elect that leader all the same, and so the member would ask without end.
 */
export class LeaderPatience {
  private leader: ServerId | null = null;
  private attempts = 0;

  /** Notes that `leader` is asked; returns how long to wait before, in milliseconds. */
  pauseMs(leader: ServerId): number {
    if (leader !== this.leader) this.reset();
    this.leader = leader;
    const paused = this.attempts++ - WITHOUT_PAUSE;
    return paused < 0 ? 0 : Math.min(PAUSE_MS * 2 ** paused, PAUSE_MS_MAX);
  }

  /** Something has come of it. */
  reset(): void {
    this.attempts = 0;
  }
}
