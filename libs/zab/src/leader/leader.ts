import {
  ZXID_EPOCH_LIMIT,
  assert,
  assertNever,
  zxidCounter,
  zxidOf,
  type Zxid,
} from '@aviary/foundation';
import type { LearnerInfo, LearnerPacket } from '../learner/learner-packet.js';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import { ActiveEpoch } from './active-epoch.js';
import { EpochAgreement } from './epoch-agreement.js';
import type { ConnectionId, LeaderInput, LeaderOptions, LeaderOutput } from './leader-io.js';
import type { LeaderPacket } from './leader-packet.js';
import { LearnerPeer, type LearnerRole } from './learner-peer.js';
import { Learners, type Overdue } from './learners.js';

/**
 * What a leader is at: before `start`, collecting agreed epochs, writing the one it opens, collecting
 * agreement to it, writing that it holds its history, giving that to a quorum, proposing, over.
 */
export type LeaderPhase =
  | 'idle'
  | 'discovery'
  | 'acceptingEpoch'
  | 'agreement'
  | 'enteringEpoch'
  | 'synchronisation'
  | 'broadcast'
  | 'over';

const NOTHING: readonly LeaderOutput[] = [];

type AckEpoch = Extract<LearnerPacket, { type: 'ackEpoch' }>;

/**
 * A leader of ZooKeeper's atomic broadcast, from the moment it was elected (`Leader` and
 * `LearnerHandler` there): it opens an epoch with a quorum, gives that quorum its history, then
 * makes proposals and stays only while it hears from a quorum.
 *
 * What must survive a power cut is an output with an input of its own, and nothing that rests on it
 * is said before that input comes. To a learner between its history and UPTODATE nothing is sent but
 * NEWLEADER: older learners take other packets there for what they are not (ZOOKEEPER-4394).
 *
 * `step` is for what happens now and then. Proposals, acknowledgements and answers to pings have
 * methods that take and return numbers.
 */
export class Leader {
  private readonly options: LeaderOptions;
  private readonly agreement: EpochAgreement;
  private readonly learners: Learners;
  private readonly ready = new Set<ServerId>();
  private readonly initLimitMs: number;
  private readonly syncLimitMs: number;
  private verifiers: readonly QuorumVerifier[];
  private activeEpoch: ActiveEpoch | null = null;
  private current: LeaderPhase = 'idle';
  /** When this phase has taken too long; once proposing, there is no such time. */
  private phaseUntilMs = Infinity;
  private tickedMs = -Infinity;
  private outputs: LeaderOutput[] = [];

  constructor(options: LeaderOptions) {
    const { self, verifiers, tickMs } = options;
    assert(tickMs > 0, 'time passes in ticks');
    assert(options.acceptedEpoch >= options.currentEpoch, 'an epoch is accepted before it is held');
    this.options = options;
    this.verifiers = verifiers;
    this.initLimitMs = options.initLimitTicks * tickMs;
    this.syncLimitMs = options.syncLimitTicks * tickMs;
    this.learners = new Learners(this.initLimitMs, this.syncLimitMs);
    this.agreement = new EpochAgreement(verifiers[0], self, options.currentEpoch, options.lastZxid);
  }

  get phase(): LeaderPhase {
    return this.current;
  }

  /** The epoch that this leader opens; final from the phase `acceptingEpoch` on. */
  get epoch(): number {
    return this.agreement.epoch;
  }

  /** The hot path, from the output `activate` on. */
  get active(): ActiveEpoch | null {
    return this.activeEpoch;
  }

  /** What was committed after this is still to be sent to some learner: the host must have it. */
  get heldAfter(): Zxid {
    return this.learners.heldAfter;
  }

  /** Proposals from now on, and leadership, need quorums of `verifiers`. */
  changeVerifiers(verifiers: readonly [QuorumVerifier, ...QuorumVerifier[]]): void {
    this.verifiers = verifiers;
    this.activeEpoch?.changeVerifiers(verifiers);
  }

  /** Returns what the host must now do, in order. Never throws for what a learner sent. */
  step(input: LeaderInput, nowMs: number): readonly LeaderOutput[] {
    if (this.current === 'over') return NOTHING;
    assert(this.current !== 'idle' || input.kind === 'start', 'a leader starts first');
    const { activeEpoch } = this;
    if (activeEpoch?.hasBeenAway(nowMs) === true) this.stepDown('it was stopped for too long');
    else if (nowMs >= this.phaseUntilMs) this.stepDown(`no quorum in the phase ${this.current}`);
    else this.handle(input, nowMs);
    activeEpoch?.noteAwake(nowMs);
    const { outputs } = this;
    this.outputs = [];
    return outputs;
  }

  private handle(input: LeaderInput, nowMs: number): void {
    switch (input.kind) {
      case 'start':
        return this.onStart(nowMs);
      case 'received':
        return this.onPacket(input.from, input.packet, nowMs);
      case 'closed':
        return this.onClosed(input.connection, nowMs);
      case 'acceptedEpochWritten':
        return this.onAcceptedEpochWritten(input.epoch, nowMs);
      case 'currentEpochWritten':
        return this.onCurrentEpochWritten(input.epoch, nowMs);
      case 'historyMoved':
        return this.onHistoryMoved(input.to, nowMs);
      case 'historySent':
        return this.onHistorySent(input.to, input.through, nowMs);
      case 'confirm':
        return this.onConfirm();
      case 'tick':
        return this.onTick(nowMs);
      case 'stop':
        return this.stepDown(input.reason);
      default:
        return assertNever(input);
    }
  }

  private enter(phase: LeaderPhase, untilMs: number): void {
    this.current = phase;
    this.phaseUntilMs = untilMs;
  }

  private onStart(nowMs: number): void {
    assert(this.current === 'idle', 'a leader starts once');
    this.enter('discovery', nowMs + this.initLimitMs);
    this.join(this.options.self, this.options.acceptedEpoch, nowMs);
  }

  private join(id: ServerId, acceptedEpoch: number, nowMs: number): void {
    if (!this.agreement.join(id, acceptedEpoch)) return;
    this.enter('acceptingEpoch', nowMs + this.initLimitMs);
    this.outputs.push({ kind: 'writeAcceptedEpoch', epoch: this.epoch });
  }

  private onAcceptedEpochWritten(epoch: number, nowMs: number): void {
    assert(
      this.current === 'acceptingEpoch' && epoch === this.epoch,
      'the epoch was to be written',
    );
    this.enter('agreement', nowMs + this.initLimitMs);
    for (const peer of this.learners) this.ask(peer, nowMs);
    const { self, currentEpoch, lastZxid } = this.options;
    this.agree(self, currentEpoch, lastZxid, nowMs);
  }

  private agree(id: ServerId, currentEpoch: number, lastZxid: Zxid, nowMs: number): void {
    if (!this.agreement.acknowledge(id, currentEpoch, lastZxid)) return;
    this.enter('enteringEpoch', nowMs + this.initLimitMs);
    this.outputs.push({ kind: 'writeCurrentEpoch', epoch: this.epoch });
  }

  private onCurrentEpochWritten(epoch: number, nowMs: number): void {
    assert(this.current === 'enteringEpoch' && epoch === this.epoch, 'the epoch was to be written');
    this.enter('synchronisation', nowMs + this.initLimitMs);
    for (const peer of this.learners) {
      if (peer.stage === 'agreed') this.synchronise(peer, nowMs);
    }
    this.noteReady(this.options.self, nowMs);
  }

  private onPacket(from: ConnectionId, packet: LearnerPacket, nowMs: number): void {
    switch (packet.type) {
      case 'followerInfo':
        return this.introduce(from, 'follower', packet, nowMs);
      case 'observerInfo':
        return this.introduce(from, 'observer', packet, nowMs);
      default:
        break;
    }
    const peer = this.learners.get(from);
    if (peer === undefined) return this.close(from, `${packet.type} came first`);
    peer.heardMs = nowMs;
    switch (packet.type) {
      case 'ackEpoch':
        return this.onEpochAcknowledged(peer, packet, nowMs);
      case 'ack':
        return this.onAcknowledged(peer, packet.zxid, nowMs);
      case 'ping':
        return this.activeEpoch?.answeredPing(from, nowMs);
      default:
        return assertNever(packet);
    }
  }

  private introduce(from: ConnectionId, role: LearnerRole, info: LearnerInfo, nowMs: number): void {
    const refusal = this.refusalOf(info);
    const known = this.learners.get(from);
    if (known !== undefined) return this.drop(known, 'it introduced itself twice', nowMs);
    if (refusal !== null) return this.close(from, refusal);
    const before = this.learners.withId(info.sid);
    if (before !== undefined) this.remove(before, 'it has connected again');
    const peer = new LearnerPeer(from, info.sid, role, nowMs);
    this.learners.add(peer);
    if (this.current === 'discovery') return this.join(info.sid, info.acceptedEpoch, nowMs);
    if (info.acceptedEpoch > this.epoch && this.hasVote(info.sid)) {
      return this.yieldTo(info.sid, info.acceptedEpoch);
    }
    if (this.current !== 'acceptingEpoch') this.ask(peer, nowMs);
  }

  private refusalOf({ sid, acceptedEpoch, configVersion }: LearnerInfo): string | null {
    if (sid === this.options.self) return 'it has the id of the leader';
    if (configVersion > this.options.configVersion) return 'it has a later configuration';
    if (acceptedEpoch + 1 >= ZXID_EPOCH_LIMIT) return 'its epoch leaves none to open';
    return null;
  }

  /**
   * A voter that has agreed to a later epoch, of a leader that failed before anybody else heard of it,
   * will never follow in this one. ZooKeeper leaves it out until something else ends the epoch. The
   * leader agrees to that epoch too, so that the next election opens one above it, and gives way. Also
   * to one that observes for now, because it has lost its history: it did not lose what it agreed to.
   */
  private yieldTo(id: ServerId, acceptedEpoch: number): void {
    this.outputs.push({ kind: 'writeAcceptedEpoch', epoch: acceptedEpoch });
    this.stepDown(`server ${id} has agreed to epoch ${acceptedEpoch}`);
  }

  private ask(peer: LearnerPeer, nowMs: number): void {
    peer.stage = 'asked';
    peer.waitingSinceMs = nowMs;
    this.send(peer, { type: 'leaderInfo', epoch: this.epoch });
  }

  private onEpochAcknowledged(peer: LearnerPeer, packet: AckEpoch, nowMs: number): void {
    if (peer.stage !== 'asked') return this.drop(peer, 'ACKEPOCH was not asked for', nowMs);
    const { currentEpoch, lastZxid } = packet;
    peer.stage = 'agreed';
    peer.lastZxid = lastZxid;
    if (this.current === 'agreement') {
      if (this.agreement.isAhead(currentEpoch, lastZxid)) {
        return this.stepDown(`server ${peer.sid} is ahead`);
      }
      return this.agree(peer.sid, currentEpoch, lastZxid, nowMs);
    }
    if (this.current !== 'enteringEpoch') this.synchronise(peer, nowMs);
  }

  private synchronise(peer: LearnerPeer, nowMs: number): void {
    peer.stage = 'receiving';
    peer.waitingSinceMs = nowMs;
    // A snapshot of the host's tree ends where it has applied.
    peer.through = this.activeEpoch?.applicable ?? 0;
    this.outputs.push({ kind: 'synchronise', to: peer.connection, lastZxid: peer.lastZxid });
  }

  private onHistoryMoved(to: ConnectionId, nowMs: number): void {
    const peer = this.learners.get(to);
    if (peer?.stage === 'receiving') peer.waitingSinceMs = nowMs;
  }

  /** NEWLEADER says that the history is complete, so it goes behind all of it (ZOOKEEPER-3104). */
  private onHistorySent(to: ConnectionId, through: Zxid, nowMs: number): void {
    const peer = this.learners.get(to);
    if (peer?.stage !== 'receiving') return;
    peer.through = through;
    peer.stage = 'offered';
    peer.waitingSinceMs = nowMs;
    this.send(peer, { type: 'newLeader', epoch: this.epoch });
  }

  private onAcknowledged(peer: LearnerPeer, zxid: Zxid, nowMs: number): void {
    if (zxidCounter(zxid) !== 0) {
      const through = this.activeEpoch?.acknowledge(peer.connection, zxid, nowMs) ?? 0;
      if (through > 0) this.outputs.push({ kind: 'commit', through });
      return;
    }
    // A second one acknowledges UPTODATE. Those of proposals may overtake the first: ZOOKEEPER-4685.
    if (peer.stage !== 'offered' || zxid !== zxidOf(this.epoch, 0)) return;
    peer.stage = 'ready';
    if (this.current === 'broadcast') return this.goLive(peer, nowMs);
    if (peer.role === 'follower') this.noteReady(peer.sid, nowMs);
  }

  /** The history of this epoch is durable at `id`. */
  private noteReady(id: ServerId, nowMs: number): void {
    this.ready.add(id);
    if (!this.verifiers.every((verifier) => verifier.isQuorum(this.ready))) return;
    this.enter('broadcast', Infinity);
    this.tickedMs = nowMs;
    this.activeEpoch = new ActiveEpoch(
      this.epoch,
      this.options.self,
      this.verifiers,
      this.learners,
      this.syncLimitMs,
      nowMs,
    );
    this.outputs.push({ kind: 'activate', epoch: this.epoch });
    for (const peer of this.learners) if (peer.stage === 'ready') this.goLive(peer, nowMs);
  }

  private goLive(peer: LearnerPeer, nowMs: number): void {
    const { connection, role, through } = peer;
    peer.stage = 'live';
    peer.liveSinceMs = nowMs;
    peer.heardMs = nowMs;
    // Where history ends before this epoch, there is nothing of the epoch to acknowledge.
    peer.acknowledged = Math.max(through, zxidOf(this.epoch, 0));
    this.send(peer, { type: 'upToDate' });
    this.outputs.push({ kind: 'forward', to: connection, role, after: through });
  }

  private onConfirm(): void {
    const { activeEpoch } = this;
    if (activeEpoch?.isConfirmationDue !== true) return;
    activeEpoch.beginConfirmation();
    for (const peer of this.learners) {
      if (peer.isLive && this.isVoter(peer)) this.ping(peer, activeEpoch);
    }
  }

  private onTick(nowMs: number): void {
    // After a stall what learners have sent is still unread: they get half a tick more.
    const isLate = nowMs - this.tickedMs > this.options.tickMs;
    this.tickedMs = nowMs;
    if (!isLate) this.removeAll(this.learners.silent(nowMs));
    const { activeEpoch } = this;
    if (activeEpoch === null) return;
    this.removeAll(this.learners.laggards(nowMs));
    if (activeEpoch.nextZxid === 0) return this.stepDown('the epoch has no more zxids');
    if (!isLate && !activeEpoch.hasQuorum(nowMs)) {
      return this.stepDown('no quorum of learners is heard');
    }
    activeEpoch.beginConfirmation();
    for (const peer of this.learners) if (peer.isLive) this.ping(peer, activeEpoch);
    this.learners.noteProposed(activeEpoch.lastProposed, nowMs);
  }

  private ping(peer: LearnerPeer, { lastProposed }: ActiveEpoch): void {
    if (this.activeEpoch?.pinged(peer) === false) this.remove(peer, 'it does not answer pings');
    else this.send(peer, { type: 'ping', zxid: lastProposed });
  }

  /** A follower that has left can come back only to a leader that a quorum still follows. */
  private onClosed(connection: ConnectionId, nowMs: number): void {
    const peer = this.learners.get(connection);
    if (peer === undefined) return;
    this.forget(peer);
    this.checkQuorum(nowMs);
  }

  private drop(peer: LearnerPeer, reason: string, nowMs: number): void {
    this.remove(peer, reason);
    this.checkQuorum(nowMs);
  }

  private checkQuorum(nowMs: number): void {
    if (this.activeEpoch?.hasQuorum(nowMs) === false) this.stepDown('learners have left');
  }

  private removeAll(overdue: readonly Overdue[]): void {
    for (const { peer, reason } of overdue) this.remove(peer, reason);
  }

  private remove(peer: LearnerPeer, reason: string): void {
    this.forget(peer);
    this.close(peer.connection, reason);
  }

  private close(connection: ConnectionId, reason: string): void {
    this.outputs.push({ kind: 'close', connection, reason });
  }

  private forget(peer: LearnerPeer): void {
    this.learners.delete(peer);
    this.activeEpoch?.forget(peer.sid);
  }

  private stepDown(reason: string): void {
    this.enter('over', Infinity);
    this.activeEpoch?.end();
    this.learners.clear();
    this.outputs.push({ kind: 'stepDown', reason });
  }

  private isVoter({ role, sid }: LearnerPeer): boolean {
    return role === 'follower' && this.hasVote(sid);
  }

  private hasVote(id: ServerId): boolean {
    return this.verifiers.some((verifier) => verifier.isVoter(id));
  }

  private send(peer: LearnerPeer, packet: LeaderPacket<never>): void {
    this.outputs.push({ kind: 'send', to: peer.connection, packet });
  }
}
