import { zxidCounter, type Zxid } from '@aviary/foundation';
import {
  Learner,
  type HistoryEntry,
  type LearnerInput,
  type LearnerOutput,
  type ServerId,
} from '../../src/index.js';
import { Violation } from './checks.js';
import type { Connection, FromLeader } from './connection.js';
import { LIMITS } from './limits.js';
import type { State, Txn } from './model-disk.js';
import type { ModelServer } from './model-server.js';

const CONNECT_TRIES = 5;
const CONNECT_PAUSE_MS = 20;

/** A learner with what surrounds it in a server. */
export class LearnerHost {
  readonly learner: Learner<Txn>;
  private connection: Connection | null = null;
  /** The epoch that the leader opens. */
  protected epoch = 0;
  private snapshot: State = [];
  /** Logged or on the way to the log, not applied yet. */
  private readonly pending: Txn[] = [];
  private isLogSyncDue = false;
  private isRejoining: boolean;
  /** The last proposal of the leader when it first pinged; null: it has not. */
  private proposedThen: Zxid | null = null;
  protected isOver = false;

  constructor(
    readonly server: ModelServer,
    readonly leader: ServerId,
    needsSnapshot: boolean,
  ) {
    const { sid, disk, kind } = server;
    this.isRejoining = disk.isRejoining;
    this.learner = new Learner<Txn>({
      self: sid,
      role: kind === 'observer' || disk.isRejoining ? 'observer' : 'follower',
      hasLostHistory: disk.isRejoining,
      acceptedEpoch: disk.acceptedEpoch,
      currentEpoch: disk.currentEpoch,
      lastZxid: disk.recover().lastZxid,
      configVersion: 0,
      needsSnapshot,
      ...LIMITS,
    });
  }

  get isServing(): boolean {
    return this.learner.following !== null && !this.isOver;
  }

  start(): void {
    this.connect(CONNECT_TRIES);
  }

  private connect(tries: number): void {
    const connection = this.server.ensemble.connect(this.server, this.leader);
    if (connection === null) {
      if (tries === 1) return this.server.endRole('valid', null);
      return this.server.later(CONNECT_PAUSE_MS, () => this.connect(tries - 1));
    }
    this.connection = connection;
    connection.toLearner.end = {
      received: (message) => this.received(message),
      closed: () => this.step({ kind: 'closed' }),
    };
    this.step({ kind: 'start' });
    const tick = (): void => {
      if (this.isOver) return;
      this.step({ kind: 'tick' });
      this.server.later(LIMITS.tickMs / 2, tick);
    };
    this.server.later(LIMITS.tickMs / 2, tick);
  }

  private received(message: FromLeader): void {
    if (message.type === 'leaderInfo') this.epoch = message.epoch;
    if (message.type === 'ping' && this.isServing) this.proposedThen ??= message.zxid;
    if (message.type !== 'stream') return this.step({ kind: 'received', packet: message });
    if (this.isOver) return;
    this.snapshot = message.state;
    // The tree is filled while the stream is read.
    this.server.replaceMemory(message.state, message.zxid);
    this.step({ kind: 'snapshotReceived' });
  }

  protected step(input: LearnerInput<Txn>): void {
    if (this.isOver) return;
    for (const output of this.learner.step(input, this.server.ensemble.timeline.nowMs)) {
      this.perform(output);
    }
    if (this.isRejoining && this.isServing && this.hasRegained()) this.endRejoin();
  }

  protected perform(output: LearnerOutput<Txn>): void {
    switch (output.kind) {
      case 'send':
        return this.connection?.toLeader.send(output.packet);
      case 'writeAcceptedEpoch':
        return this.writeAcceptedEpoch(output.epoch);
      case 'writeCurrentEpoch':
        return this.writeCurrentEpoch(output.epoch, () => {
          this.step({ kind: 'currentEpochWritten', epoch: output.epoch });
        });
      case 'truncateLog':
        return this.truncateLog(output.zxid);
      case 'reload':
        return this.server.later(this.server.ensemble.prng.between(1, 10), () => this.reload());
      case 'receiveSnapshot':
        return this.server.replaceMemory([], 0);
      case 'installSnapshot':
        return this.installSnapshot(output.zxid);
      case 'logHistory':
        return this.logHistory(output.entries, () => this.step({ kind: 'historyLogged' }));
      case 'applyHistory':
        for (const { transaction } of output.entries) this.server.apply(transaction);
        return;
      case 'serve':
        return this.server.ensemble.checks.serve(this.server);
      case 'logProposal':
        return this.logProposal(output.entry.transaction);
      case 'apply':
        return this.apply(output.through);
      case 'leave':
        return this.leave(output.reason, output.memory, output.then);
    }
  }

  protected writeAcceptedEpoch(epoch: number): void {
    const { server } = this;
    server.writeFile(
      () => (server.disk.acceptedEpoch = epoch),
      () => this.step({ kind: 'acceptedEpochWritten', epoch }),
    );
  }

  protected writeCurrentEpoch(epoch: number, done: () => void): void {
    const { server } = this;
    server.writeFile(() => {
      server.disk.currentEpoch = epoch;
      server.ensemble.checks.epochHeld(server, epoch);
    }, done);
  }

  private truncateLog(zxid: Zxid): void {
    const { server } = this;
    if (!server.disk.canTruncate(zxid)) {
      server.ensemble.counts.cutsRefused++;
      return server.later(1, () => this.step({ kind: 'cannotTruncate' }));
    }
    server.changeLog(
      () => server.disk.deleteSnapshotsBeyond(zxid),
      () => undefined,
    );
    server.changeLog(
      () => server.disk.cutLog(zxid),
      () => this.step({ kind: 'logTruncated' }),
    );
  }

  private reload(): void {
    if (this.isOver) return;
    this.server.reload();
    this.step({ kind: 'reloaded', lastZxid: this.server.lastProcessed });
  }

  private installSnapshot(zxid: Zxid): void {
    const { server, snapshot } = this;
    server.changeLog(
      () => server.disk.cutLog(zxid),
      () => undefined,
    );
    server.changeLog(
      () => server.disk.install(zxid, snapshot),
      () => {
        server.replaceMemory(snapshot, zxid);
        this.step({ kind: 'snapshotInstalled' });
      },
    );
  }

  protected logHistory(entries: readonly HistoryEntry<Txn>[], done: () => void): void {
    for (const { transaction } of entries) this.server.disk.append(transaction);
    this.server.syncLog(done);
  }

  protected logProposal(txn: Txn): void {
    this.server.disk.append(txn);
    this.pending.push(txn);
    if (this.isLogSyncDue) return;
    this.isLogSyncDue = true;
    this.server.later(0, () => {
      this.isLogSyncDue = false;
      const { zxid } = this.pending.at(-1) ?? txn;
      this.server.syncLog(() => this.step({ kind: 'logged', zxid }));
    });
  }

  /** Whether everything is there again that this server may have acknowledged before its loss. */
  protected hasRegained(): boolean {
    const { proposedThen } = this;
    if (proposedThen === null) return false;
    const isStart = zxidCounter(proposedThen) === 0;
    return isStart || this.server.lastProcessed >= proposedThen;
  }

  private endRejoin(): void {
    const { server } = this;
    this.isRejoining = false;
    server.writeFile(
      () => (server.disk.isRejoining = false),
      () => this.step({ kind: 'stop', reason: 'it has what it had lost' }),
    );
  }

  protected apply(through: Zxid): void {
    const { server } = this;
    while (this.pending.length > 0 && this.pending[0]!.zxid <= through) {
      const txn = this.pending.shift()!;
      server.ensemble.checks.apply(server, txn, server.memory.length);
      server.apply(txn);
      server.ensemble.counts.applied++;
    }
    if (server.lastProcessed < through) throw new Violation('applied less than was told');
  }

  protected leave(reason: string, memory: 'valid' | 'invalid', then: 'look' | 'askAgain'): void {
    const { server, leader } = this;
    this.isOver = true;
    server.ensemble.note(`learner ${server.sid} leaves ${leader}: ${reason}`);
    this.connection?.close(server.sid);
    server.endRole(memory, then === 'askAgain' ? leader : null);
  }
}
