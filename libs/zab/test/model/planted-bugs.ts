import { zxidEpoch, type Zxid } from '@aviary/foundation';
import type { HistoryEntry, ServerId, SyncPlan } from '../../src/index.js';
import type { Connection } from './connection.js';
import type { ServerClass } from './ensemble.js';
import { LeaderHost } from './leader-host.js';
import { LearnerHost } from './learner-host.js';
import type { Txn } from './model-disk.js';
import { ModelServer } from './model-server.js';

type LeaderClass = new (...args: ConstructorParameters<typeof LeaderHost>) => LeaderHost;
type LearnerClass = new (...args: ConstructorParameters<typeof LearnerHost>) => LearnerHost;

/** Servers whose leaders or learners are others than they should be. */
function serverWith(bug: { leader?: LeaderClass; learner?: LearnerClass }): ServerClass {
  const { leader = LeaderHost, learner = LearnerHost } = bug;
  return class extends ModelServer {
    protected override leaderHost(): LeaderHost {
      return new leader(this);
    }

    protected override learnerHost(id: ServerId, needsSnapshot: boolean): LearnerHost {
      return new learner(this, id, needsSnapshot);
    }
  };
}

/** Something that a leader keeps to itself. */
function inside<T>(owner: object, name: string): T {
  return Reflect.get(owner, name) as T;
}

/** Proposals are acknowledged when they are on their way to the log. */
export const acknowledgesBeforeSync = serverWith({
  learner: class extends LearnerHost {
    protected override logProposal(txn: Txn): void {
      super.logProposal(txn);
      this.step({ kind: 'logged', zxid: txn.zxid });
    }
  },
});

/** A log is cut one transaction too late. */
export const cutsTooLate = serverWith({
  leader: class extends LeaderHost {
    protected override planFor(peer: Zxid): SyncPlan {
      const plan = super.planFor(peer);
      if (plan.kind !== 'trunc' || zxidEpoch(plan.zxid) !== zxidEpoch(peer)) return plan;
      return { ...plan, zxid: plan.zxid + 1, after: plan.after + 1 };
    }
  },
});

/** NEWLEADER is acknowledged while the history is still being written (ZOOKEEPER-3911, -4646). */
export const acknowledgesNewLeaderEarly = serverWith({
  learner: class extends LearnerHost {
    protected override logHistory(entries: readonly HistoryEntry<Txn>[], done: () => void): void {
      super.logHistory(entries, () => undefined);
      done();
    }

    protected override writeCurrentEpoch(epoch: number, done: () => void): void {
      super.writeCurrentEpoch(epoch, () => undefined);
      done();
    }
  },
});

/** The epoch is written before the history (ZOOKEEPER-4643). */
export const entersEpochBeforeHistory = serverWith({
  learner: class extends LearnerHost {
    protected override logHistory(entries: readonly HistoryEntry<Txn>[], done: () => void): void {
      super.writeCurrentEpoch(this.epoch, () => super.logHistory(entries, done));
    }
  },
});

/** Whoever acknowledges is counted, vote or not. */
export const countsNonVoters = serverWith({
  leader: class extends LeaderHost {
    protected override acknowledged(connection: Connection, zxid: Zxid): void {
      super.acknowledged(connection, zxid);
      const { ensemble, sid } = this.server;
      if (ensemble.server(connection.learner).kind === 'voter') return;
      const broadcast = inside<{ acknowledge(id: ServerId, zxid: Zxid): Zxid }>(
        this.leader.active!,
        'broadcast',
      );
      this.commitThrough(broadcast.acknowledge(sid === 1 ? 2 : 1, zxid));
    }
  },
});

/** That an epoch was agreed to is written only when its history is there. */
export const forgetsAgreement = serverWith({
  leader: class extends LeaderHost {
    protected override writeAcceptedEpoch(epoch: number): void {
      this.server.writeFile(
        () => undefined,
        () => this.step({ kind: 'acceptedEpochWritten', epoch }),
      );
    }

    protected override writeCurrentEpoch(epoch: number): void {
      const { disk } = this.server;
      this.server.writeFile(
        () => (disk.acceptedEpoch = epoch),
        () => super.writeCurrentEpoch(epoch),
      );
    }
  },
  learner: class extends LearnerHost {
    protected override writeAcceptedEpoch(epoch: number): void {
      this.server.writeFile(
        () => undefined,
        () => this.step({ kind: 'acceptedEpochWritten', epoch }),
      );
    }

    protected override writeCurrentEpoch(epoch: number, done: () => void): void {
      const { disk } = this.server;
      this.server.writeFile(
        () => (disk.acceptedEpoch = epoch),
        () => super.writeCurrentEpoch(epoch, done),
      );
    }
  },
});

/** NEWLEADER overtakes the history (ZOOKEEPER-3104). */
export const saysNewLeaderBeforeHistory = serverWith({
  leader: class extends LeaderHost {
    protected override sendHistory(
      to: number,
      plan: SyncPlan,
      done: (through: Zxid) => void,
    ): void {
      if (plan.kind !== 'diff') return super.sendHistory(to, plan, done);
      this.send(to, { type: 'diff', zxid: plan.after });
      this.step({ kind: 'historySent', to, through: plan.through });
      this.sendPairs(to, plan.after, plan.through);
    }
  },
});

/** Memory stays what an interrupted snapshot or cut has made of it (ZOOKEEPER-3642, -5094). */
export const keepsStaleMemory: ServerClass = class extends ModelServer {
  protected override makeMemoryWhole(memory: 'valid' | 'invalid'): void {
    if (memory === 'valid') super.makeMemoryWhole(memory);
  }
};

/** What was acknowledged on a connection that has ended still counts. */
export const remembersAcknowledgements = serverWith({
  leader: class extends LeaderHost {
    protected override activate(epoch: number): void {
      super.activate(epoch);
      Object.assign(inside<object>(this.leader.active!, 'broadcast'), { forget: () => undefined });
    }
  },
});

/** A leader leads whoever is ahead of it. */
export const leadsWhoIsAhead = serverWith({
  leader: class extends LeaderHost {
    override start(): void {
      Object.assign(inside<object>(this.leader, 'agreement'), { isAhead: () => false });
      super.start();
    }
  },
});

/** A sync is answered from the leader's own belief (ZOOKEEPER-1675). */
export const answersSyncUnconfirmed = serverWith({
  leader: class extends LeaderHost {
    override sync(committedThen: number): void {
      const isSettled = this.leader.active?.lastProposed === this.leader.active?.applicable;
      if (!this.isServing || !isSettled) return;
      this.server.ensemble.checks.syncAnswered(this.server, committedThen);
    }
  },
});

/** Followers apply what is committed before their own log has it (ZOOKEEPER-4882). */
export const appliesBeforeLogging = serverWith({
  learner: class extends LearnerHost {
    protected override logProposal(txn: Txn): void {
      super.logProposal(txn);
      const { following } = this.learner;
      if (following === null) return;
      const get = () => inside<Zxid>(following, 'committedZxid');
      Object.defineProperty(following, 'applicable', { get, configurable: true });
    }
  },
});

/** A server votes as soon as it runs again, with nothing of what it had acknowledged. */
export const votesWithoutItsHistory: ServerClass = class extends ModelServer {
  override start(): void {
    this.disk.isRejoining = false;
    super.start();
  }
};
