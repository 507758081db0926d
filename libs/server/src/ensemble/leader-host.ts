import {
  assertNever,
  zxidCounter,
  zxidOf,
  type ByteStream,
  type Timer,
  type Zxid,
} from '@aviary/foundation';
import { forEachTouch, readRevalidationRequest, type QuorumPacket } from '@aviary/protocol';
import type { LogBatch, LogListener, TransactionLog } from '@aviary/storage';
import { OutstandingChanges, RequestPreparer } from '@aviary/znodes';
import {
  Leader,
  type ConnectionId,
  type LeaderInput,
  type LeaderOutput,
  type LearnerPacket,
} from '@aviary/zab';
import { Authority } from '../authority.js';
import type { ClientPort } from '../client-port.js';
import { ThrottledLog } from '../election/throttled-log.js';
import { ForwardedRequests } from './forwarded-requests.js';
import { LeaderWrites, type ProposalSink } from './leader-writes.js';
import { LearnerLink, PART_BYTES, type LinkListener } from './learner-link.js';
import { LearnerSync } from './learner-sync.js';
import { SharedPackets } from './shared-packets.js';
import type { MemberContext, MemberRole, RoleEnd } from './member-context.js';

/** Connections that may wait at a time until they say whose they are. */
const STRANGERS_MAX = 64;

/** A member that leads: it hosts the {@link Leader}, its learners' connections and its own clients. */
export class LeaderHost implements MemberRole, LinkListener, LogListener, ProposalSink {
  readonly mode = 'leader';
  private readonly leader: Leader;
  private readonly links = new Map<ConnectionId, LearnerLink>();
  private readonly shared = new SharedPackets();
  /** Those that get what is shared. */
  private followers = 0;
  private readonly syncs: LearnerSync;
  private log: TransactionLog | null = null;
  private writes: LeaderWrites | null = null;
  private port: ClientPort | null = null;
  private requests: ForwardedRequests | null = null;
  private nextConnection: ConnectionId = 1;
  private readonly throttledLog: ThrottledLog;
  /** What is being done to the disk; the role is not over before. */
  private work: Promise<unknown> = Promise.resolve();
  private committedSent: Zxid = 0;
  private timer: Timer | null = null;
  private isFlushDue = false;
  private isOver = false;
  private ending: Promise<void> | null = null;

  constructor(
    private readonly member: MemberContext,
    private readonly onEnd: (end: RoleEnd) => void,
  ) {
    const { configVersion, epochs, options, self, state, verifiers } = member;
    this.leader = new Leader({
      self,
      acceptedEpoch: epochs.accepted,
      currentEpoch: epochs.current,
      lastZxid: state.lastLogged,
      verifiers,
      configVersion,
      tickMs: options.tickTimeMs,
      initLimitTicks: member.initLimitTicks,
      syncLimitTicks: member.syncLimitTicks,
    });
    this.throttledLog = new ThrottledLog(member.ports.log, member.ports.clock);
    this.syncs = new LearnerSync(member, {
      moved: (to) => this.step({ kind: 'historyMoved', to }),
      sent: (to, through) => this.step({ kind: 'historySent', to, through }),
      failed: (to, reason) => this.leave(to, reason),
    });
  }

  start(): void {
    this.step({ kind: 'start' });
    this.tick();
  }

  /** Takes a connection to the quorum port. */
  accept(stream: ByteStream): void {
    if (this.isOver) {
      stream.destroy();
      return;
    }
    this.makeRoomForStranger();
    const { frameBytesMax } = this.member.options.limits;
    const link = new LearnerLink(
      this.nextConnection++,
      stream,
      2 * frameBytesMax,
      this.nowMs,
      this,
    );
    this.links.set(link.id, link);
    stream.start(link);
  }

  end(reason: string): Promise<void> {
    if (!this.isOver) this.step({ kind: 'stop', reason });
    return this.ending ?? Promise.resolve();
  }

  /** Learners say at once whose a connection is: in a crowd the oldest one that has not goes. */
  private makeRoomForStranger(): void {
    const strangers = [...this.links.values()].filter(({ isStranger }) => isStranger);
    if (strangers.length < STRANGERS_MAX) return;
    this.closeLink(strangers[0].id, 'too many others have not said either whose they are');
  }

  private dropStrangers(): void {
    const limitMs = this.member.syncLimitTicks * this.member.options.tickTimeMs;
    for (const link of [...this.links.values()]) {
      if (link.isStranger && this.nowMs - link.sinceMs > limitMs) {
        this.closeLink(link.id, 'it does not say whose it is');
      }
    }
  }

  private get nowMs(): number {
    return this.member.ports.clock.monotonicMs();
  }

  private tick(): void {
    const { clock } = this.member.ports;
    this.timer = clock.setTimer(this.member.options.tickTimeMs / 2, () => {
      this.dropStrangers();
      this.step({ kind: 'tick' });
      if (!this.isOver) this.tick();
    });
  }

  private step(input: LeaderInput): void {
    for (const output of this.leader.step(input, this.nowMs)) this.perform(output);
  }

  private perform(output: LeaderOutput): void {
    const { epochs } = this.member;
    switch (output.kind) {
      case 'writeAcceptedEpoch':
        this.member.confirmed();
        return this.write(epochs.setAccepted(output.epoch), {
          kind: 'acceptedEpochWritten',
          epoch: output.epoch,
        });
      case 'writeCurrentEpoch':
        return this.write(this.enterEpoch(output.epoch), {
          kind: 'currentEpochWritten',
          epoch: output.epoch,
        });
      case 'send':
        this.links.get(output.to)?.send(output.packet, this.member.configuration);
        return this.flushSoon();
      case 'synchronise':
        return this.synchronise(output.to, output.lastZxid);
      case 'activate':
        return this.activate(output.epoch);
      case 'forward':
        return this.forward(output.to, output.after);
      case 'commit':
        return this.writes?.advance();
      case 'close':
        return this.closeLink(output.connection, output.reason);
      case 'stepDown':
        return this.stepDown(output.reason);
      default:
        return assertNever(output);
    }
  }

  private write(writing: Promise<void>, done: LeaderInput): void {
    this.work = Promise.allSettled([this.work, writing]);
    writing.then(
      () => this.step(done),
      (error: unknown) => this.member.fail(`An epoch cannot be written (${String(error)}).`),
    );
  }

  /** Whoever has entered an epoch may be asked to propose at any moment: the log is open then. */
  private async enterEpoch(epoch: number): Promise<void> {
    this.log ??= await this.member.openLog(this);
    await this.member.epochs.setCurrent(epoch);
  }

  private synchronise(to: ConnectionId, lastZxid: Zxid): void {
    // What is held for the learner begins where everything that may be applied is.
    this.writes?.advance();
    const link = this.links.get(to);
    if (link !== undefined) this.syncs.bring(link, lastZxid, this.committedSent);
    this.flushSoon();
  }

  private activate(epoch: number): void {
    const { active } = this.leader;
    const { log, member } = this;
    if (active === null || log === null) return;
    const { options, ports, sessionIdentity, state } = member;
    sessionIdentity.passOver(state.tree);
    state.tree.lastZxid = zxidOf(epoch, 0);
    this.committedSent = zxidOf(epoch, 0);
    const changes = new OutstandingChanges(state.tree);
    const preparer = new RequestPreparer(state.tree, changes, state.quotas, {
      extendedTypesEnabled: options.extendedTypesEnabled,
      enforceQuota: options.enforceQuota,
      digestEnabled: options.digestEnabled,
      containerNeverUsedMs: options.containerNeverUsedMs,
      transactionBytesMax: 2 * options.limits.frameBytesMax,
    });
    const onApplied = (transactions: number, bytes: number): void => {
      this.port?.goOn();
      if (transactions > 0) member.onApplied(transactions, bytes, log);
    };
    const port = member.openPort(epoch, (made) => {
      const writes = new LeaderWrites(
        state,
        active,
        log,
        changes,
        preparer,
        this,
        ports.clock,
        made.latency,
        options.limits,
        { onApplied },
      );
      this.writes = writes;
      const takeId = () => sessionIdentity.takeId();
      const authority = new Authority('leader', made, writes, takeId, () => this.figures());
      this.requests = new ForwardedRequests(made, authority, writes);
      return authority;
    });
    this.port = port;
    port.syncs = log.syncs;
    port.start();
    member.serve(port, epoch);
  }

  private figures(): readonly (readonly [string, number])[] {
    const live = [...this.links.values()].filter(({ isLive }) => isLive);
    const followers = live.filter(({ role }) => role === 'follower').length;
    return [
      ['learners', this.links.size],
      ['synced_followers', followers],
      ['synced_observers', live.length - followers],
    ];
  }

  /** Sends what was held back for a learner, and from then on everything as it comes. */
  private forward(to: ConnectionId, after: Zxid): void {
    const link = this.links.get(to);
    if (link === undefined) return;
    const { history } = this.member.state;
    for (let index = history.indexAfter(after); index < history.size; index++) {
      const zxid = history.zxidAt(index);
      const isCommitted = zxid <= this.committedSent;
      history.select(index);
      if (link.role === 'follower') {
        link.proposal(zxid, history.bytes, history.start, history.end);
        if (isCommitted) link.commit(zxid);
      } else if (isCommitted) link.inform(zxid, history.bytes, history.start, history.end);
    }
    if (link.role === 'observer') link.isLive = true;
    else {
      if (!link.isFollowing) this.followers++;
      link.follow(this.shared);
    }
    this.flushSoon();
  }

  private closeLink(id: ConnectionId, reason: string): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    this.throttledLog.warn('closed', `The connection of ${link.name} is closed: ${reason}.`);
    this.drop(link);
  }

  private leave(id: ConnectionId, reason: string): void {
    this.closeLink(id, reason);
    this.step({ kind: 'closed', connection: id });
  }

  private drop(link: LearnerLink): void {
    if (!this.links.delete(link.id)) return;
    if (link.isFollowing) this.followers--;
    this.syncs.stop(link);
    this.requests?.forget(link);
    link.close();
  }

  private stepDown(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.cancel();
    this.writes?.end();
    this.port?.stopServing();
    for (const link of [...this.links.values()]) {
      link.flush();
      this.drop(link);
    }
    this.port?.abandonConnections();
    this.member.servesNoMore();
    this.ending = this.work
      .then(() => this.syncs.settled())
      .then(() => this.log?.close())
      .then(() => this.onEnd({ reason, isMemoryValid: true, asksAgain: false, givesWay: null }));
  }

  // From the log:

  onDurable(batch: LogBatch): void {
    this.writes?.onDurable(batch);
  }

  onFailure(error: Error): void {
    this.member.fail(`The transaction log cannot be written (${error.message}).`);
  }

  // From the links:

  onZab(link: LearnerLink, packet: LearnerPacket): void {
    if (packet.type === 'followerInfo' || packet.type === 'observerInfo') this.judge(link);
    this.step({ kind: 'received', from: link.id, packet });
  }

  /** Says what an operator has to know of who wants to learn. */
  private judge(link: LearnerLink): void {
    const { serverId, stream } = link;
    if (!this.member.isListed(serverId)) {
      const line =
        `Server ${serverId}, which connects from ${stream.remote.address} to learn, is not in the ` +
        'configuration: it learns, but has no vote.';
      this.throttledLog.warn('unlisted', line);
    }
    for (const other of this.links.values()) {
      if (other === link || other.serverId !== serverId) continue;
      if (other.stream.remote.address === stream.remote.address) continue;
      const line =
        `Server ${serverId} has connected from ${stream.remote.address} while it is connected from ` +
        `${other.stream.remote.address}: if both run, two servers have one id in their myid files.`;
      this.throttledLog.warn('moved', line);
    }
  }

  onAck(link: LearnerLink, zxid: Zxid): void {
    const { active } = this.leader;
    if (zxidCounter(zxid) === 0 || active === null) {
      this.step({ kind: 'received', from: link.id, packet: { type: 'ack', zxid } });
    } else {
      active.acknowledge(link.id, zxid, this.nowMs);
    }
  }

  onPing(link: LearnerLink, packet: QuorumPacket): void {
    const { active } = this.leader;
    active?.answeredPing(link.id, this.nowMs);
    const sessions = this.port?.sessions;
    if (sessions === undefined) return;
    const nowMs = this.nowMs;
    forEachTouch(packet, (high, low) => {
      const session = sessions.find(high, low);
      if (session !== undefined) sessions.touch(session, nowMs);
    });
  }

  onRequest(link: LearnerLink, packet: QuorumPacket): void {
    this.leader.active?.heard(link.id, this.nowMs);
    this.requests?.take(link, packet, this.nowMs);
  }

  onRevalidate(link: LearnerLink, packet: QuorumPacket): void {
    this.leader.active?.heard(link.id, this.nowMs);
    const { sessionHigh, sessionLow } = readRevalidationRequest(packet);
    const isValid = this.requests?.adopt(link, sessionHigh, sessionLow, this.nowMs) ?? false;
    link.revalidationReply(sessionHigh, sessionLow, isValid);
    this.flushSoon();
  }

  onTold(): void {
    this.writes?.advance();
    this.flushSoon();
  }

  onDrained(link: LearnerLink): void {
    this.syncs.goOn(link);
  }

  onEnded(link: LearnerLink, reason: string): void {
    this.throttledLog.warn('gone', `The connection of ${link.name} has ended: ${reason}.`);
    this.drop(link);
    this.step({ kind: 'closed', connection: link.id });
  }

  // For the writes:

  propose(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    if (this.followers === 0) return;
    this.shared.writer.proposal(zxid, bytes, start, end);
    if (this.shared.position > PART_BYTES) this.flush();
  }

  commit(through: Zxid): void {
    if (through <= this.committedSent) return;
    const from = this.committedSent + 1;
    this.committedSent = through;
    for (const link of this.links.values()) {
      if (link.isLive && link.role === 'observer') this.inform(link, from, through);
    }
    if (this.followers > 0) {
      for (let zxid = from; zxid <= through; zxid++) this.shared.writer.commit(zxid);
    }
    this.flushSoon();
  }

  private inform(link: LearnerLink, from: Zxid, through: Zxid): void {
    const { history } = this.member.state;
    for (let index = history.indexAfter(from - 1); index < history.size; index++) {
      const zxid = history.zxidAt(index);
      if (zxid > through) return;
      history.select(index);
      link.inform(zxid, history.bytes, history.start, history.end);
    }
  }

  confirm(): void {
    this.step({ kind: 'confirm' });
  }

  get heldAfter(): Zxid {
    return this.leader.heldAfter;
  }

  exhausted(): void {
    this.step({ kind: 'stop', reason: 'the epoch has no more zxids' });
  }

  flush(): void {
    for (const link of this.links.values()) link.flush();
    this.shared.clear();
    for (const link of this.links.values()) link.sharedCleared();
  }

  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    this.member.ports.clock.atEndOfTurn(() => {
      this.isFlushDue = false;
      if (!this.isOver) this.flush();
    });
  }
}
