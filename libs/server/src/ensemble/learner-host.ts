import { assert, assertNever, zxidOf, type Timer, type Zxid } from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import type { Id } from '@aviary/protocol';
import {
  TruncationError,
  type LogBatch,
  type LogListener,
  type SnapshotBodySink,
  type TransactionLog,
} from '@aviary/storage';
import {
  Learner,
  type HistoryEntry,
  type LeaderPacket,
  type LearnerInput,
  type LearnerOutput,
} from '@aviary/zab';
import type { ClientPort } from '../client-port.js';
import type { LatencyMeter } from '../latency-meter.js';
import { LeaderLink, type LeaderLinkListener } from './leader-link.js';
import { connectToLeader, type LeaderAddress } from './leader-search.js';
import type { LeaderScrutiny } from './leader-scrutiny.js';
import { LearnerRole, type RevalidationSink } from './learner-role.js';
import { LearnerSessions } from './learner-sessions.js';
import { LearnerWrites, type RequestSink } from './learner-writes.js';
import type { MemberContext, MemberRole, RoleEnd } from './member-context.js';
import { SnapshotRefusedError, type SnapshotIntake } from './member-storage.js';
import { RegainedHistory } from './rejoin.js';
import { transactionZxid } from './transaction-zxid.js';

/** A member that follows or observes: it hosts the {@link Learner}, and its own clients. */
export class LearnerHost implements MemberRole, LeaderLinkListener, LogListener, RequestSink {
  readonly mode: 'follower' | 'observer';
  private learner: Learner<Uint8Array>;
  private link: LeaderLink | null = null;
  private log: TransactionLog | null = null;
  private port: ClientPort | null = null;
  /** In which clients are served. */
  private epoch = 0;
  private writes: LearnerWrites | null = null;
  private role: LearnerRole | null = null;
  private readonly sessions = new LearnerSessions();
  private intake: SnapshotIntake | null = null;
  /** What is regained of a lost history; null: none was lost. */
  private regained: RegainedHistory | null;
  /** Up to where the history before NEWLEADER is being logged; 0: nothing of it is. */
  private historyThrough: Zxid = 0;
  private timer: Timer | null = null;
  private isFlushDue = false;
  private isOver = false;
  private ending: Promise<void> | null = null;
  /** What is being done to the disk, one thing after the other. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly member: MemberContext,
    private readonly leaderAddresses: readonly LeaderAddress[],
    isObserver: boolean,
    needsSnapshot: boolean,
    private readonly scrutiny: LeaderScrutiny,
    private readonly onEnd: (end: RoleEnd) => void,
  ) {
    this.mode = isObserver ? 'observer' : 'follower';
    const { configVersion, epochs, options, rejoin, self, state } = member;
    this.regained = rejoin.isDue ? new RegainedHistory() : null;
    this.learner = new Learner({
      self,
      role: this.mode,
      acceptedEpoch: epochs.accepted,
      currentEpoch: epochs.current,
      lastZxid: state.lastLogged,
      configVersion,
      needsSnapshot,
      hasLostHistory: rejoin.isDue,
      tickMs: options.tickTimeMs,
      initLimitTicks: member.initLimitTicks,
      syncLimitTicks: member.syncLimitTicks,
    });
  }

  /** Connects to the leader, in `pauseMs`. */
  async start(pauseMs: number): Promise<void> {
    const { initLimitTicks, options, ports } = this.member;
    if (pauseMs > 0) await new Promise<void>((done) => ports.clock.setTimer(pauseMs, done));
    if (this.isOver) return;
    const { limits, tickTimeMs } = options;
    const stream = await connectToLeader(
      ports,
      this.leaderAddresses,
      { attemptMs: tickTimeMs, limitMs: initLimitTicks * tickTimeMs },
      () => !this.isOver,
    );
    if (stream === null) return this.leave('the leader cannot be reached', true);
    this.link = new LeaderLink(stream, 2 * limits.frameBytesMax, this);
    stream.start(this.link);
    this.step({ kind: 'start' });
    this.tick();
  }

  private tick(): void {
    this.timer = this.member.ports.clock.setTimer(this.member.options.tickTimeMs / 2, () => {
      this.step({ kind: 'tick' });
      if (!this.isOver) this.tick();
    });
  }

  end(reason: string): Promise<void> {
    if (!this.isOver) {
      if (this.link === null) this.leave(reason, true);
      else this.step({ kind: 'stop', reason });
    }
    return this.ending ?? Promise.resolve();
  }

  private get nowMs(): number {
    return this.member.ports.clock.monotonicMs();
  }

  private step(input: LearnerInput<Uint8Array>): void {
    if (this.isOver) return;
    for (const output of this.learner.step(input, this.nowMs)) this.perform(output);
    this.flushSoon();
  }

  private perform(output: LearnerOutput<Uint8Array>): void {
    const { epochs } = this.member;
    switch (output.kind) {
      case 'send':
        return this.link?.send(output.packet);
      case 'writeAcceptedEpoch':
        return this.after(epochs.setAccepted(output.epoch), {
          kind: 'acceptedEpochWritten',
          epoch: output.epoch,
        });
      case 'writeCurrentEpoch':
        return this.after(epochs.setCurrent(output.epoch), {
          kind: 'currentEpochWritten',
          epoch: output.epoch,
        });
      case 'truncateLog':
        return this.truncate(output.zxid);
      case 'reload':
        return this.reload();
      case 'receiveSnapshot':
        return;
      case 'installSnapshot':
        return this.install(output.zxid);
      case 'logHistory':
        return this.logHistory(output.entries);
      case 'applyHistory':
        return this.applyHistory();
      case 'serve':
        return this.serve(output.epoch);
      case 'logProposal':
        return this.append(
          output.entry.zxid,
          output.entry.transaction,
          0,
          output.entry.transaction.length,
        );
      case 'apply':
        return this.applyThrough(output.through);
      case 'leave':
        return this.leave(output.reason, output.memory === 'valid', output.then === 'askAgain');
      default:
        return assertNever(output);
    }
  }

  /** Says `done` when `working` is; a disk that fails ends the process. */
  private after(working: Promise<unknown>, done: LearnerInput<Uint8Array>): void {
    this.work = this.work
      .then(() => working)
      .then(
        () => this.step(done),
        (error: unknown) => this.member.fail(`The disk cannot be written (${String(error)}).`),
      );
  }

  private truncate(zxid: Zxid): void {
    const done = this.member.storage.truncate(zxid).then(
      (): LearnerInput<Uint8Array> => ({ kind: 'logTruncated' }),
      (error: unknown): LearnerInput<Uint8Array> => {
        if (error instanceof TruncationError) return { kind: 'cannotTruncate' };
        throw error;
      },
    );
    this.work = this.work
      .then(() => done)
      .then(
        (input) => this.step(input),
        (error: unknown) => this.member.fail(`The log cannot be cut (${String(error)}).`),
      );
  }

  private reload(): void {
    const { member } = this;
    this.work = this.work.then(async () => {
      const state = await member.storage.reload();
      member.replaceState(state);
      this.step({ kind: 'reloaded', lastZxid: state.lastLogged });
    });
    this.work.catch((error: unknown) => this.step({ kind: 'failed', reason: String(error) }));
  }

  private install(zxid: Zxid): void {
    const { intake, member } = this;
    if (intake === null) return this.step({ kind: 'failed', reason: 'no snapshot has come' });
    this.intake = null;
    const installing = async (): Promise<void> => {
      member.replaceState(await member.storage.install(intake, zxid));
      this.step({ kind: 'snapshotInstalled' });
    };
    this.work = this.work.then(installing).catch((error: unknown) => {
      if (error instanceof SnapshotRefusedError) this.onSnapshotRefused(error.message);
      else member.fail(`The snapshot of the leader cannot be written (${String(error)}).`);
    });
  }

  private logHistory(entries: readonly HistoryEntry<Uint8Array>[]): void {
    const last = entries.at(-1);
    if (last === undefined) return this.step({ kind: 'historyLogged' });
    this.historyThrough = last.zxid;
    this.work = this.work.then(async () => {
      const log = await this.openLog();
      if (this.isOver) return;
      for (const { transaction, zxid } of entries) {
        this.append(zxid, transaction, 0, transaction.length);
      }
      log.flush();
    });
  }

  private async openLog(): Promise<TransactionLog> {
    this.log ??= await this.member.openLog(this);
    return this.log;
  }

  private applyHistory(): void {
    this.applyThrough(this.historyThrough);
    this.historyThrough = 0;
  }

  private applyThrough(through: Zxid): void {
    try {
      if (this.writes === null) this.member.applyThrough(through);
      else this.writes.applyThrough(through);
    } catch (error) {
      if (!(error instanceof JuteError)) throw error;
      this.member.fail(`A transaction of the leader cannot be applied (${error.message}).`);
    }
  }

  /** Adds a transaction to the log, and to what is applied when it is committed. */
  private append(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    const { log, member } = this;
    assert(log !== null, 'the log is open before anything is logged');
    const writer = log.begin();
    const at = writer.reserve(end - start);
    writer.bytes.set(bytes.subarray(start, end), at);
    log.end(zxid);
    member.state.history.append(zxid, bytes, start, end);
    member.state.lastLogged = zxid;
  }

  private serve(epoch: number): void {
    const { member } = this;
    const { state } = member;
    if (this.link !== null) this.link.isLive = true;
    // Who has yet to regain its history serves nobody.
    if (this.regained !== null) return;
    member.sessionIdentity.passOver(state.tree);
    // The history of the epochs before is complete here, as it is at the leader.
    state.tree.lastZxid = Math.max(state.tree.lastZxid, zxidOf(epoch, 0));
    const port = member.openPort(epoch, ({ latency }) => this.takeRole(latency));
    this.port = port;
    this.epoch = epoch;
    if (this.log !== null) port.syncs = this.log.syncs;
    port.start();
    member.serve(port, epoch);
  }

  private takeRole(latency: LatencyMeter): LearnerRole {
    const { member } = this;
    const { options, ports, sessionIdentity, state } = member;
    this.writes = new LearnerWrites(state, this, ports.clock, latency, options.limits, {
      onApplied: (transactions, bytes) => {
        if (this.isOver) return;
        this.port?.goOn();
        if (this.log !== null) member.onApplied(transactions, bytes, this.log);
      },
    });
    const takeId = () => sessionIdentity.takeId();
    const ask: RevalidationSink = (high, low, timeoutMs) => {
      this.link?.writer.revalidationRequest(high, low, timeoutMs);
      this.flushSoon();
    };
    this.role = new LearnerRole(this.mode, this.writes, this.sessions, takeId, ask);
    return this.role;
  }

  private leave(reason: string, isMemoryValid: boolean, asksAgain = false): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.cancel();
    const { epoch, port, scrutiny, writes } = this;
    const { givesWay } = scrutiny;
    const mayWait = isMemoryValid && !asksAgain && givesWay === null;
    writes?.noteLeaderGone();
    if (!mayWait) port?.stopServing();
    else if (port !== null && writes !== null) {
      port.suspend();
      // From now on, however long the disk takes to finish what it was given.
      this.member.letWait({ port, writes, epoch });
    }
    this.link?.flush();
    this.link?.close();
    if (!mayWait) port?.abandonConnections();
    this.member.servesNoMore();
    this.ending = this.work
      .catch(() => undefined)
      .then(() => this.log?.close())
      .then(() => this.onEnd({ reason, isMemoryValid, asksAgain, givesWay }));
  }

  // From the log:

  onDurable(batch: LogBatch): void {
    if (batch.count === 0) return;
    const zxid = transactionZxid(batch.writer.bytes, batch.startOf(batch.count - 1));
    const { following } = this.learner;
    if (following === null) {
      if (this.historyThrough > 0 && zxid >= this.historyThrough) {
        this.step({ kind: 'historyLogged' });
      }
      return;
    }
    if (this.isOver) return;
    const first = following.logged(zxid);
    if (this.mode === 'follower' && first > 0) {
      for (let each = first; each <= zxid; each++) this.link?.writer.ack(each);
    }
    this.link?.flush();
    this.applyThrough(following.applicable);
    this.checkRegained();
  }

  /** Goes back to the elections once everything is there that this server may have acknowledged. */
  private checkRegained(): void {
    const logged = this.learner.following?.applicable ?? 0;
    if (this.regained?.isWhole(logged) !== true) return;
    this.regained = null;
    const ending = this.member.rejoin.end();
    this.after(ending, { kind: 'stop', reason: 'it has what it had lost' });
  }

  onFailure(error: Error): void {
    this.member.fail(`The transaction log cannot be written (${error.message}).`);
  }

  // From the leader:

  onZab(packet: LeaderPacket<Uint8Array>): void {
    if (!this.scrutiny.accepts(packet)) return this.leave('it lacks what is committed here', true);
    if (packet.type === 'leaderInfo') this.member.confirmed();
    if (packet.type !== 'upToDate') return this.step({ kind: 'received', packet });
    // What comes behind it is history, too, until the log is open.
    this.work = this.work.then(async () => {
      await this.openLog();
      this.step({ kind: 'received', packet });
    });
  }

  onProposal(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    const { following } = this.learner;
    if (following === null) return;
    const isNext = this.mode === 'follower' ? following.proposed(zxid) : following.informed(zxid);
    if (!isNext) this.step({ kind: 'failed', reason: 'a proposal is missing' });
    else this.append(zxid, bytes, start, end);
  }

  onCommit(zxid: Zxid): void {
    if (this.learner.following?.committed(zxid) === true) return;
    this.step({ kind: 'failed', reason: 'a commit is not for the oldest proposal' });
  }

  onPing(zxid: Zxid): void {
    const { link } = this;
    if (link?.isLive !== true)
      return this.step({ kind: 'received', packet: { type: 'ping', zxid } });
    this.learner.heard(this.nowMs);
    link.writer.beginPingReply(zxid);
    this.sessions.takeTouched((high, low, timeoutMs) => link.writer.touch(high, low, timeoutMs));
    link.writer.endPingReply();
    this.regained?.notePing(zxid);
    this.checkRegained();
  }

  onSync(): void {
    const { following } = this.learner;
    if (following !== null) this.writes?.syncAnswered(following.lastCommitted);
  }

  onRevalidated(high: number, low: number, isValid: boolean): void {
    this.role?.revalidated(high, low, isValid);
  }

  openSnapshot(): SnapshotBodySink {
    this.intake = this.member.storage.openIntake();
    return this.intake.sink;
  }

  onSnapshot(): void {
    this.step({ kind: 'snapshotReceived' });
  }

  /** Nothing of it was used, neither in memory nor on the disk. */
  onSnapshotRefused(problem: string): void {
    const { ports, self } = this.member;
    this.intake = null;
    ports.log.warn(
      `The snapshot that its leader sent to server ${self} is damaged: ${problem}. What the server had ` +
        'stays, and it asks again.',
    );
    this.step({ kind: 'failed', reason: 'the snapshot of the leader is damaged' });
  }

  onSnapshotPiece(): void {
    this.step({ kind: 'heard' });
  }

  onTold(): void {
    const { following } = this.learner;
    this.learner.heard(this.nowMs);
    if (following !== null) {
      this.log?.flush();
      this.applyThrough(following.applicable);
      this.port?.goOn();
    }
    this.flushSoon();
  }

  onEnded(reason: string): void {
    this.step({ kind: 'stop', reason });
  }

  // For the writes:

  request(
    sessionHigh: number,
    sessionLow: number,
    xid: number,
    type: number,
    who: readonly Id[] | null,
    body: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.isOver) return;
    this.link?.writer.request(sessionHigh, sessionLow, xid, type, who, body, start, end);
    this.flushSoon();
  }

  sessionClosed(sessionHigh: number, sessionLow: number): void {
    const session = this.sessions.find(sessionHigh, sessionLow);
    if (session !== undefined) this.port?.sessionEnded(session);
  }

  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    this.member.ports.clock.atEndOfTurn(() => {
      this.isFlushDue = false;
      this.link?.flush();
      this.log?.flush();
    });
  }
}
