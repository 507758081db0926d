import { zxidOf, type Zxid } from '@aviary/foundation';
import type { LearnerRole, SyncPlan } from '../../src/index.js';
import type { FromLeader } from './connection.js';
import { LeaderHost } from './leader-host.js';

/**
 * A leader that sends as ZooKeeper's does: whatever happens from the moment of the plan on goes to
 * the learner, before NEWLEADER and before UPTODATE too, and a snapshot is taken a while after it was
 * decided on. Our learners must bear both.
 */
export class EarlyLeaderHost extends LeaderHost {
  /** What waits until the snapshot has been sent. */
  private readonly queues = new Map<number, FromLeader[]>();

  protected override sendHistory(to: number, plan: SyncPlan, done: (through: Zxid) => void): void {
    if (plan.kind === 'diff' || plan.kind === 'trunc') {
      return super.sendHistory(to, plan, (through) => {
        this.goLive(to, through);
        done(through);
      });
    }
    this.queues.set(to, []);
    this.goLive(to, this.server.lastProcessed);
    this.server.later(this.server.ensemble.prng.between(0, 40), () => {
      const queued = this.queues.get(to) ?? [];
      this.queues.delete(to);
      super.sendHistory(to, plan, (through) => {
        for (const message of queued) this.send(to, message);
        done(through);
      });
    });
  }

  private goLive(to: number, after: Zxid): void {
    // Before the epoch has begun there is nothing but history.
    const begin = this.leader.active === null ? zxidOf(this.leader.epoch, 0) : 0;
    super.forward(to, this.roleOf(to), Math.max(after, begin));
  }

  protected override forward(_to: number, _role: LearnerRole, _after: Zxid): void {
    // It has been sent everything all the time.
  }

  protected override send(to: number, message: FromLeader): void {
    const queue = this.queues.get(to);
    if (queue === undefined) super.send(to, message);
    else queue.push(message);
  }
}
