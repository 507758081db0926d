import { zxidCounter, zxidOf, type Zxid } from '@aviary/foundation';
import {
  Leader,
  PendingSyncs,
  planSync,
  type LeaderInput,
  type LeaderOutput,
  type LearnerPacket,
  type LearnerRole,
  type SyncPlan,
} from '../../src/index.js';
import type { Connection, FromLeader } from './connection.js';
import { LIMITS } from './limits.js';
import type { Txn } from './model-disk.js';
import type { ModelServer } from './model-server.js';

/** A leader with what surrounds it in a server. */
export class LeaderHost {
  readonly leader: Leader;
  /** Everything that was before the epoch, then every proposal. */
  readonly history: Txn[];
  private readonly connections = new Map<number, Connection>();
  private readonly live = new Map<number, LearnerRole>();
  /** What was committed anywhere when each sync came. */
  private readonly syncs = new PendingSyncs<number>();
  private committed: Zxid = 0;
  private isLogSyncDue = false;
  private isOver = false;

  constructor(readonly server: ModelServer) {
    const { sid, disk, memory, ensemble } = server;
    this.history = [...memory];
    this.leader = new Leader({
      self: sid,
      acceptedEpoch: disk.acceptedEpoch,
      currentEpoch: disk.currentEpoch,
      lastZxid: disk.recover().lastZxid,
      verifiers: [ensemble.verifier],
      configVersion: 0,
      ...LIMITS,
    });
  }

  get isServing(): boolean {
    return this.leader.active !== null && !this.isOver;
  }

  start(): void {
    this.step({ kind: 'start' });
    const tick = (): void => {
      if (this.isOver) return;
      this.step({ kind: 'tick' });
      this.server.later(LIMITS.tickMs / 2, tick);
    };
    this.server.later(LIMITS.tickMs / 2, tick);
  }

  connected(connection: Connection): void {
    this.connections.set(connection.id, connection);
    connection.toLeader.end = {
      received: (packet) => this.received(connection, packet),
      closed: () => {
        this.drop(connection.id);
        this.step({ kind: 'closed', connection: connection.id });
      },
    };
  }

  private get nowMs(): number {
    return this.server.ensemble.timeline.nowMs;
  }

  /** Makes a proposal, if that is possible. */
  propose(): void {
    const { active } = this.leader;
    const zxid = active?.nextZxid ?? 0;
    if (active === null || zxid === 0) return;
    const txn = { zxid, id: this.server.ensemble.nextId() };
    active.propose(zxid);
    this.history.push(txn);
    this.server.disk.append(txn);
    for (const [id, role] of this.live) {
      if (role === 'follower') this.send(id, { type: 'proposal', zxid, transaction: txn });
    }
    if (this.isLogSyncDue) return;
    this.isLogSyncDue = true;
    this.server.later(0, () => {
      this.isLogSyncDue = false;
      const last = this.history.at(-1)!.zxid;
      this.server.syncLog(() => this.logged(last));
    });
  }

  protected logged(zxid: Zxid): void {
    const { active } = this.leader;
    if (active === null || this.isOver) return;
    this.commitThrough(active.logged(zxid));
    this.applyCommitted();
  }

  /** A client asked for a sync when so much was committed. */
  sync(committedThen: number): void {
    const { active } = this.leader;
    const ticket = active?.requestSync(this.nowMs) ?? 0;
    if (active === null || ticket === 0) return;
    this.syncs.push(ticket, active.lastProposed, committedThen);
    if (active.isConfirmationDue) this.step({ kind: 'confirm' });
  }

  protected answerSyncs(): void {
    const { active } = this.leader;
    if (active === null) return;
    const { applicable, committed, confirmedSync } = active;
    for (;;) {
      const committedThen = this.syncs.take(applicable, committed, confirmedSync);
      if (committedThen === null) break;
      this.server.ensemble.checks.syncAnswered(this.server, committedThen);
      this.server.ensemble.counts.syncs++;
    }
    if (active.isConfirmationDue) this.step({ kind: 'confirm' });
  }

  private received(connection: Connection, packet: LearnerPacket): void {
    const { active } = this.leader;
    if (this.isOver) return;
    if (active !== null && packet.type === 'ack' && zxidCounter(packet.zxid) !== 0) {
      this.acknowledged(connection, packet.zxid);
    } else if (active !== null && packet.type === 'ping') {
      active.answeredPing(connection.id, this.nowMs);
    } else {
      this.step({ kind: 'received', from: connection.id, packet });
    }
    this.answerSyncs();
  }

  protected acknowledged(connection: Connection, zxid: Zxid): void {
    this.commitThrough(this.leader.active!.acknowledge(connection.id, zxid, this.nowMs));
    this.applyCommitted();
  }

  protected commitThrough(through: Zxid): void {
    if (through === 0) return;
    const { ensemble, sid } = this.server;
    for (const [index, txn] of this.history.entries()) {
      if (txn.zxid <= this.committed || txn.zxid > through) continue;
      ensemble.checks.commit(this.leader.epoch, sid, txn, index);
      ensemble.counts.commits++;
      for (const [id, role] of this.live) this.sendCommitted(id, role, txn);
    }
    this.committed = through;
  }

  private sendCommitted(id: number, role: LearnerRole, txn: Txn): void {
    const { zxid } = txn;
    if (role === 'follower') this.send(id, { type: 'commit', zxid });
    else this.send(id, { type: 'inform', zxid, transaction: txn });
  }

  private applyCommitted(): void {
    const { server } = this;
    const applicable = this.leader.active!.applicable;
    while (server.memory.length < this.history.length) {
      const index = server.memory.length;
      const txn = this.history[index]!;
      if (txn.zxid > applicable) break;
      server.ensemble.checks.apply(server, txn, index);
      server.apply(txn);
    }
    this.answerSyncs();
  }

  protected step(input: LeaderInput): void {
    if (this.isOver) return;
    for (const output of this.leader.step(input, this.nowMs)) this.perform(output);
  }

  protected perform(output: LeaderOutput): void {
    const { server } = this;
    switch (output.kind) {
      case 'writeAcceptedEpoch':
        return this.writeAcceptedEpoch(output.epoch);
      case 'writeCurrentEpoch':
        return this.writeCurrentEpoch(output.epoch);
      case 'send':
        return this.send(output.to, output.packet);
      case 'synchronise':
        return this.synchronise(output.to, output.lastZxid);
      case 'activate':
        return this.activate(output.epoch);
      case 'forward':
        return this.forward(output.to, output.role, output.after);
      case 'commit':
        return this.commitThrough(output.through);
      case 'close':
        this.connections.get(output.connection)?.close(server.sid);
        return this.drop(output.connection);
      case 'stepDown':
        return this.stepDown(output.reason);
    }
  }

  protected writeAcceptedEpoch(epoch: number): void {
    const { server } = this;
    server.writeFile(
      () => (server.disk.acceptedEpoch = epoch),
      () => this.step({ kind: 'acceptedEpochWritten', epoch }),
    );
  }

  protected writeCurrentEpoch(epoch: number): void {
    const { server } = this;
    server.ensemble.checks.historyChosen(epoch, this.history);
    server.writeFile(
      () => (server.disk.currentEpoch = epoch),
      () => this.step({ kind: 'currentEpochWritten', epoch }),
    );
  }

  protected activate(epoch: number): void {
    const { server } = this;
    server.ensemble.checks.epochBegun(epoch, server.sid, this.history);
    server.ensemble.counts.epochs++;
    server.lastProcessed = zxidOf(epoch, 0);
    this.committed = zxidOf(epoch, 0);
  }

  protected stepDown(reason: string): void {
    this.isOver = true;
    this.server.ensemble.note(`leader ${this.server.sid} steps down: ${reason}`);
    for (const connection of this.connections.values()) connection.close(this.server.sid);
    this.server.endRole('valid', null);
  }

  protected planFor(peer: Zxid): SyncPlan {
    const { window, lastProcessed, disk, ensemble } = this.server;
    const logBytesMax = ensemble.usesLogs ? 0 : -1;
    const sources = { lastProcessed, committed: window, logBytesMax };
    const plan = planSync(peer, { ...sources, log: undefined });
    if (plan.kind !== 'needsLog') return plan;
    const section = disk.logThrough(plan.through);
    const log = {
      floor: section.findLast(({ zxid }) => zxid <= peer)?.zxid ?? null,
      next: section.find(({ zxid }) => zxid > peer)?.zxid ?? null,
      last: section.at(-1)?.zxid ?? -1,
      bytes: 1,
    };
    return planSync(peer, { ...sources, log });
  }

  protected synchronise(to: number, peer: Zxid): void {
    const plan = this.planFor(peer);
    this.server.ensemble.counts[plan.kind]++;
    this.sendHistory(to, plan, (through) => this.historySent(to, through));
  }

  protected sendHistory(to: number, plan: SyncPlan, done: (through: Zxid) => void): void {
    if (plan.kind === 'diff' || plan.kind === 'trunc') {
      this.send(to, { type: plan.kind, zxid: plan.zxid });
      this.sendPairs(to, plan.after, plan.through);
      return done(plan.through);
    }
    const { lastProcessed: zxid, memory } = this.server;
    this.send(to, { type: 'snap', zxid });
    this.send(to, { type: 'stream', zxid, state: [...memory] });
    done(zxid);
  }

  protected sendPairs(to: number, after: Zxid, through: Zxid): void {
    for (const txn of this.history) {
      const { zxid } = txn;
      if (zxid <= after || zxid > through) continue;
      this.send(to, { type: 'proposal', zxid, transaction: txn });
      this.send(to, { type: 'commit', zxid });
    }
  }

  /** It takes a moment until all of the history has left. */
  protected historySent(to: number, through: Zxid): void {
    const delayMs = this.server.ensemble.prng.below(25);
    this.server.later(delayMs, () => this.step({ kind: 'historySent', to, through }));
  }

  protected forward(to: number, role: LearnerRole, after: Zxid): void {
    this.live.set(to, role);
    for (const txn of this.history) {
      const { zxid } = txn;
      if (zxid <= after) continue;
      if (role === 'follower') this.send(to, { type: 'proposal', zxid, transaction: txn });
      if (zxid <= this.committed) this.sendCommitted(to, role, txn);
    }
  }

  protected roleOf(to: number): LearnerRole {
    const learner = this.connections.get(to)?.learner;
    if (learner === undefined) return 'follower';
    const { disk, kind } = this.server.ensemble.server(learner);
    return kind === 'observer' || disk.isRejoining ? 'observer' : 'follower';
  }

  protected send(to: number, packet: FromLeader): void {
    this.connections.get(to)?.toLearner.send(packet);
  }

  private drop(id: number): void {
    this.connections.delete(id);
    this.live.delete(id);
  }
}
