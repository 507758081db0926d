import { assert, assertNever, formatZxid, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';
import { ZXID_UNKNOWN } from '../election/notification.js';
import type { LeaderPacket } from '../leader/leader-packet.js';
import { isEpochStart } from '../synchronisation/succession.js';
import { FollowerTracker } from './follower-tracker.js';
import { HistoryQueue } from './history-queue.js';
import type { HistoryEntry, LearnerInput, LearnerOptions, LearnerOutput } from './learner-io.js';
import { NO_EPOCH, type LearnerPacket } from './learner-packet.js';
import { RECEIVING, WAITING, type LearnerPhase } from './learner-phase.js';

/**
 * A server that learns from an elected leader (`Learner`, `Follower` and `Observer` in ZooKeeper):
 * it agrees to the epoch, gets the leader's history, then follows.
 *
 * The order on the way to NEWLEADER's acknowledgement is what keeps committed transactions from
 * being lost, and each step waits for the one before: the snapshot is installed, the transactions
 * are in the log, the epoch is written, and only then is the first packet after ACKEPOCH sent
 * (ZOOKEEPER-3911, -4643, -4646, -4685, -4785). Transactions are never applied before they are
 * logged, so what memory holds can always be read from disk again.
 *
 * Whatever goes wrong ends in one way: `leave`. Nothing is repaired on the way.
 */
export class Learner<Transaction> {
  private readonly options: LearnerOptions;
  private outputs: LearnerOutput<Transaction>[] = [];
  private current: LearnerPhase = 'idle';
  private epoch = 0;
  private queue: HistoryQueue<Transaction> | null = null;
  /** The zxid of the snapshot to install; null: none was sent. */
  private snapshotZxid: Zxid | null = null;
  /** Up to where the leader has said that it will send the history. */
  private promised: Zxid = 0;
  private truncateTo: Zxid = 0;
  private isNewLeaderSeen = false;
  private asksForSnapshot = false;
  private logging: readonly HistoryEntry<Transaction>[] = [];
  /** Where the history ends that was complete with NEWLEADER. */
  private historyEnd: Zxid = 0;
  private tracker: FollowerTracker | null = null;
  private heardMs = 0;
  private tickedMs = -Infinity;

  constructor(options: LearnerOptions) {
    assert(options.tickMs > 0, 'time passes in ticks');
    assert(options.acceptedEpoch >= options.currentEpoch, 'an epoch is accepted before it is held');
    this.options = options;
  }

  get phase(): LearnerPhase {
    return this.current;
  }

  /** The hot path, from the output `serve` on: what it is told, `step` need not be. */
  get following(): FollowerTracker | null {
    return this.tracker;
  }

  /** A packet came that went past `step`. */
  heard(nowMs: number): void {
    this.heardMs = nowMs;
  }

  /** Returns what the host must now do, in order. Never throws for what the leader sent. */
  step(input: LearnerInput<Transaction>, nowMs: number): readonly LearnerOutput<Transaction>[] {
    if (this.current === 'over') return [];
    this.handle(input, nowMs);
    const { outputs } = this;
    this.outputs = [];
    return outputs;
  }

  private handle(input: LearnerInput<Transaction>, nowMs: number): void {
    switch (input.kind) {
      case 'start':
        return this.onStart(nowMs);
      case 'received':
        this.heardMs = nowMs;
        return this.onPacket(input.packet, nowMs);
      case 'heard':
        return this.heard(nowMs);
      case 'closed':
        return this.leave('the leader closed the connection');
      case 'acceptedEpochWritten':
        return this.onAcceptedEpochWritten(input.epoch, nowMs);
      case 'logTruncated':
        return this.onLogTruncated();
      case 'cannotTruncate':
        return this.leave('the log cannot be cut there', 'invalid', 'askAgain');
      case 'reloaded':
        return this.onReloaded(input.lastZxid, nowMs);
      case 'snapshotReceived':
        return this.onSnapshotReceived(nowMs);
      case 'snapshotInstalled':
        return this.onSnapshotInstalled(nowMs);
      case 'historyLogged':
        return this.onHistoryLogged(nowMs);
      case 'currentEpochWritten':
        return this.onCurrentEpochWritten(input.epoch, nowMs);
      case 'logged':
        return this.onLogged(input.zxid);
      case 'failed':
        return this.leave(input.reason, 'invalid');
      case 'tick':
        return this.onTick(nowMs);
      case 'stop':
        return this.leave(input.reason);
      default:
        return assertNever(input);
    }
  }

  private onPacket(packet: LeaderPacket<Transaction>, nowMs: number): void {
    switch (packet.type) {
      case 'leaderInfo':
        return this.onLeaderInfo(packet.epoch, nowMs);
      case 'diff':
      case 'trunc':
      case 'snap':
        return this.onSyncBegun(packet.type, packet.zxid);
      case 'proposal':
        return this.onProposal(packet.zxid, packet.transaction);
      case 'commit':
        return this.onCommit(packet.zxid);
      case 'inform':
        return this.onInform(packet.zxid, packet.transaction);
      case 'newLeader':
        return this.onNewLeader(packet.epoch, nowMs);
      case 'upToDate':
        return this.onUpToDate();
      case 'ping':
        // Before UPTODATE the leader expects no answer.
        if (this.current === 'serving') this.send({ type: 'ping', zxid: packet.zxid });
        return;
      default:
        return assertNever(packet);
    }
  }

  private onStart(nowMs: number): void {
    assert(this.current === 'idle', 'a learner starts once');
    const { self: sid, role, acceptedEpoch, configVersion } = this.options;
    const type = role === 'follower' ? 'followerInfo' : 'observerInfo';
    this.wait('introduced', nowMs);
    this.send({ type, sid, acceptedEpoch, configVersion });
  }

  private onLeaderInfo(epoch: number, nowMs: number): void {
    if (this.current !== 'introduced') return this.leave('LEADERINFO came again');
    const { acceptedEpoch } = this.options;
    if (epoch < acceptedEpoch) {
      return this.leave(`epoch ${epoch} is before ${acceptedEpoch}, which was agreed to`);
    }
    this.epoch = epoch;
    if (epoch === acceptedEpoch) return this.agree(NO_EPOCH, nowMs);
    this.current = 'acceptingEpoch';
    this.outputs.push({ kind: 'writeAcceptedEpoch', epoch });
  }

  /** From here on no older leader counts on this server, and that must not be forgotten. */
  private onAcceptedEpochWritten(epoch: number, nowMs: number): void {
    assert(
      this.current === 'acceptingEpoch' && epoch === this.epoch,
      'the epoch was to be written',
    );
    this.agree(this.options.currentEpoch, nowMs);
  }

  private agree(currentEpoch: number, nowMs: number): void {
    this.wait('agreed', nowMs);
    const { hasLostHistory = false, needsSnapshot = false } = this.options;
    const isAskingAgain = needsSnapshot && currentEpoch === NO_EPOCH;
    this.asksForSnapshot = hasLostHistory || isAskingAgain;
    const known = isAskingAgain ? 0 : this.options.lastZxid;
    const lastZxid = hasLostHistory ? ZXID_UNKNOWN : known;
    this.send({ type: 'ackEpoch', currentEpoch, lastZxid });
  }

  private onSyncBegun(how: 'diff' | 'trunc' | 'snap', zxid: Zxid): void {
    if (this.current !== 'agreed') return this.leave(`${how.toUpperCase()} was not expected`);
    if (this.asksForSnapshot && how !== 'snap') return this.leave('no snapshot is sent');
    switch (how) {
      case 'diff':
        this.promised = zxid;
        this.queue = new HistoryQueue(this.options.lastZxid, false);
        this.current = 'history';
        return;
      case 'trunc':
        this.truncateTo = zxid;
        this.queue = new HistoryQueue(zxid, false);
        this.current = 'truncating';
        this.outputs.push({ kind: 'truncateLog', zxid });
        return;
      case 'snap':
        this.snapshotZxid = zxid;
        this.queue = new HistoryQueue(zxid, true);
        this.current = 'snapshot';
        this.outputs.push({ kind: 'receiveSnapshot', zxid });
        return;
      default:
        return assertNever(how);
    }
  }

  private onLogTruncated(): void {
    assert(this.current === 'truncating', 'the log was to be cut');
    this.current = 'reloading';
    this.outputs.push({ kind: 'reload' });
  }

  /** A log that cannot be cut exactly there is another history, on which nothing can be built. */
  private onReloaded(lastZxid: Zxid, nowMs: number): void {
    assert(this.current === 'reloading', 'the log was to be read');
    const { truncateTo } = this;
    if (lastZxid !== truncateTo && !(isEpochStart(truncateTo) && lastZxid < truncateTo)) {
      return this.leave('the log was not cut there', 'invalid', 'askAgain');
    }
    this.wait('history', nowMs);
    if (this.isNewLeaderSeen) this.logHistory(nowMs);
  }

  private onSnapshotReceived(nowMs: number): void {
    assert(this.current === 'snapshot', 'a snapshot was to be received');
    this.wait('history', nowMs);
  }

  private onProposal(zxid: Zxid, transaction: Transaction): void {
    const { tracker } = this;
    if (tracker === null) return this.queueHistory(zxid, (queue) => queue.add(zxid, transaction));
    if (this.options.role === 'observer') return;
    this.logProposal(tracker, { zxid, transaction });
  }

  private onCommit(zxid: Zxid): void {
    const { tracker } = this;
    if (tracker === null) return this.queueHistory(zxid, (queue) => queue.commit(zxid));
    if (this.options.role === 'observer') return;
    const before = tracker.applicable;
    if (!tracker.committed(zxid)) {
      return this.leave('a commit is not for the oldest proposal', 'invalid');
    }
    this.applyAfter(before, tracker);
  }

  private onInform(zxid: Zxid, transaction: Transaction): void {
    const { tracker } = this;
    if (tracker === null)
      return this.queueHistory(zxid, (queue) => queue.inform(zxid, transaction));
    if (this.options.role === 'follower') return;
    if (this.logProposal(tracker, { zxid, transaction })) tracker.committed(zxid);
  }

  private logProposal(tracker: FollowerTracker, entry: HistoryEntry<Transaction>): boolean {
    if (!tracker.proposed(entry.zxid)) {
      this.leave(`a proposal is missing before ${formatZxid(entry.zxid)}`, 'invalid');
      return false;
    }
    this.outputs.push({ kind: 'logProposal', entry });
    return true;
  }

  private onLogged(zxid: Zxid): void {
    const { tracker } = this;
    assert(tracker !== null, 'proposals were to be logged');
    const before = tracker.applicable;
    const first = tracker.logged(zxid);
    if (first > 0 && this.options.role === 'follower') {
      for (let next = first; next <= zxid; next++) this.send({ type: 'ack', zxid: next });
    }
    this.applyAfter(before, tracker);
  }

  private applyAfter(before: Zxid, { applicable }: FollowerTracker): void {
    if (applicable > before) this.outputs.push({ kind: 'apply', through: applicable });
  }

  private queueHistory(zxid: Zxid, add: (queue: HistoryQueue<Transaction>) => boolean): void {
    if (this.queue === null || !RECEIVING.has(this.current)) {
      return this.leave('history came before it was announced');
    }
    if (!add(this.queue)) this.leave(`the history has a hole before ${formatZxid(zxid)}`);
  }

  private onNewLeader(epoch: number, nowMs: number): void {
    const { queue } = this;
    if (queue === null || !RECEIVING.has(this.current) || this.isNewLeaderSeen) {
      return this.leave('NEWLEADER was not expected');
    }
    if (epoch !== this.epoch) return this.leave('NEWLEADER is of another epoch');
    if (zxidEpoch(queue.committed) > epoch) return this.leave('the history is of a later epoch');
    if (queue.committed < this.promised) {
      return this.leave('NEWLEADER came before the end of the history');
    }
    this.isNewLeaderSeen = true;
    if (this.current !== 'history') return;
    if (this.snapshotZxid === null) return this.logHistory(nowMs);
    this.current = 'installing';
    this.outputs.push({ kind: 'installSnapshot', zxid: this.snapshotZxid });
  }

  private onSnapshotInstalled(nowMs: number): void {
    assert(this.current === 'installing', 'a snapshot was to be installed');
    this.logHistory(nowMs);
  }

  private logHistory(nowMs: number): void {
    const { queue } = this;
    assert(queue !== null, 'history was announced');
    this.historyEnd = queue.committed;
    this.logging = queue.takeCommitted();
    this.current = 'logging';
    if (this.logging.length === 0) return this.onHistoryLogged(nowMs);
    this.outputs.push({ kind: 'logHistory', entries: this.logging });
  }

  private onHistoryLogged(nowMs: number): void {
    assert(this.current === 'logging', 'history was to be logged');
    if (this.logging.length > 0) this.outputs.push({ kind: 'applyHistory', entries: this.logging });
    this.logging = [];
    this.current = 'enteringEpoch';
    if (this.options.currentEpoch === this.epoch)
      return this.onCurrentEpochWritten(this.epoch, nowMs);
    this.outputs.push({ kind: 'writeCurrentEpoch', epoch: this.epoch });
  }

  private onCurrentEpochWritten(epoch: number, nowMs: number): void {
    assert(this.current === 'enteringEpoch' && epoch === this.epoch, 'the epoch was to be written');
    this.wait('ready', nowMs);
    this.send({ type: 'ack', zxid: zxidOf(this.epoch, 0) });
  }

  private onUpToDate(): void {
    const { queue } = this;
    if (this.current !== 'ready' || queue === null) return this.leave('UPTODATE was not expected');
    this.current = 'serving';
    this.send({ type: 'ack', zxid: zxidOf(this.epoch, 0) });
    this.outputs.push({ kind: 'serve', epoch: this.epoch });
    const tracker = new FollowerTracker(this.epoch, this.historyEnd);
    this.tracker = tracker;
    const committed = queue.takeCommitted();
    // An observer is told again of what it was only proposed.
    const proposed = this.options.role === 'follower' ? queue.takeProposed() : [];
    for (const entry of committed) {
      if (!this.logProposal(tracker, entry)) return;
      tracker.committed(entry.zxid);
    }
    for (const entry of proposed) if (!this.logProposal(tracker, entry)) return;
  }

  private onTick(nowMs: number): void {
    const { tickMs, initLimitTicks, syncLimitTicks } = this.options;
    // After a stall what the leader has sent is still unread: it gets half a tick more.
    const isLate = nowMs - this.tickedMs > tickMs;
    this.tickedMs = nowMs;
    if (isLate || !WAITING.has(this.current)) return;
    const limitTicks = this.current === 'serving' ? syncLimitTicks : initLimitTicks;
    if (nowMs - this.heardMs >= limitTicks * tickMs) this.leave('the leader is silent');
  }

  /** The next step is the leader's. */
  private wait(phase: LearnerPhase, nowMs: number): void {
    this.current = phase;
    this.heardMs = nowMs;
  }

  private leave(reason: string, memory = this.memory, then: 'look' | 'askAgain' = 'look'): void {
    this.current = 'over';
    this.outputs.push({ kind: 'leave', reason, memory, then });
  }

  /**
   * A history that was begun and not completed leaves memory invalid, even if no step of it is known
   * to have touched it (ZOOKEEPER-2355, -3642, -5094).
   */
  private get memory(): 'valid' | 'invalid' {
    return this.queue === null || this.current === 'serving' ? 'valid' : 'invalid';
  }

  private send(packet: LearnerPacket): void {
    this.outputs.push({ kind: 'send', packet });
  }
}
