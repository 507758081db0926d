import type { LinkFailure, Notification, ServerId, ServerState, Vote } from '../../src/index.js';
import { Electorate, type ElectionConfig } from '../../src/election/electorate.js';
import type { History, Member, MemberSurroundings } from './member.js';

interface Received extends Notification {
  readonly from: ServerId;
}

/** A vote as ZooKeeper counts it; below all others stands that of an observer. */
interface CountedVote extends Vote {
  readonly round: number;
  readonly state: ServerState;
  readonly version: number;
}

const NOBODY: Vote = { leader: -Infinity, zxid: -Infinity, peerEpoch: -Infinity };
const FINALIZE_WAIT_MS = 200;
const RECEIVE_CAPACITY = 100;

/**
 * A server that elects as Apache ZooKeeper 3.5 to 3.10 does, as far as others can tell: written from
 * its behaviour, apart from our election, so that one error is not made twice.
 */
export class ApacheMember implements Member {
  readonly isOurs = false;
  state: ServerState = 'looking';
  private readonly electorate: Electorate;
  private stopped = false;
  private clock = 0;
  private proposal: Vote = NOBODY;
  private currentVote: Vote;
  private currentVoteRound = 0;
  private mode: 'away' | 'waiting' | 'finalizing' = 'away';
  private intervalMs = 200;
  private timer = 0;
  private readonly received: Received[] = [];
  private readonly recvSet = new Map<ServerId, CountedVote>();
  private readonly outOfElection = new Map<ServerId, CountedVote>();
  private readonly queued = new Map<ServerId, Notification | null>();
  private readonly lastSent = new Map<ServerId, Notification>();

  constructor(
    readonly id: ServerId,
    private readonly config: ElectionConfig,
    readonly history: History,
    private readonly around: MemberSurroundings,
  ) {
    this.electorate = new Electorate(config);
    this.currentVote = this.ownVote();
  }

  start(): void {
    if (this.stopped) return;
    this.around.observer.looks(this);
    this.state = 'looking';
    this.mode = 'waiting';
    this.intervalMs = 200;
    this.recvSet.clear();
    this.outOfElection.clear();
    this.clock += 1;
    this.proposal = this.ownVote();
    this.sendToAll();
    this.poll();
  }

  roleFailed(): void {
    if (this.stopped) return;
    const delayMs = this.config.observer ? this.around.observerDelayMs() : 0;
    this.around.time.after(this.around.teardownMs() + delayMs, () => {
      if (this.mode === 'away') this.start();
    });
  }

  confirmed(): void {
    // Its election has no part in this.
  }

  settled(epoch: number): void {
    this.currentVote = { ...this.currentVote, peerEpoch: epoch };
  }

  stop(): void {
    this.stopped = true;
  }

  onLinkUp(peer: ServerId): void {
    const message = this.queued.get(peer) ?? this.lastSent.get(peer);
    if (message !== undefined) this.transmit(peer, message);
  }

  onLinkDown(_peer: ServerId, _failure: LinkFailure): void {
    // Nothing is done before there is something to send.
  }

  onNotification(from: ServerId, said: Notification): void {
    if (this.stopped) return;
    if (!this.electorate.isVoter(from)) {
      this.queue(from, this.notification(this.currentVote, this.clock));
    } else if (this.state === 'looking') {
      this.receive({ ...said, from });
      if (said.state === 'looking' && said.round < this.clock) {
        this.queue(from, this.notification(this.proposal, this.clock));
      }
    } else if (said.state === 'looking') {
      this.queue(from, this.notification(this.currentVote, this.currentVoteRound));
    }
  }

  private receive(message: Received): void {
    this.received.push(message);
    if (this.received.length > RECEIVE_CAPACITY) this.received.shift();
    this.around.time.after(0, () => this.poll());
  }

  /** Takes what has been received, one after the other, then waits for more. */
  private poll(): void {
    if (this.stopped) return;
    while (this.mode !== 'away' && this.received.length > 0) {
      const message = this.received.shift()!;
      if (this.mode === 'finalizing') {
        if (!this.succeeds(message.vote ?? NOBODY, this.proposal)) {
          this.setTimer(FINALIZE_WAIT_MS);
          continue;
        }
        this.received.push(message);
        this.mode = 'waiting';
        this.setTimer(this.intervalMs);
        continue;
      }
      this.setTimer(this.intervalMs);
      this.handle(message);
    }
  }

  private setTimer(ms: number): void {
    const serial = ++this.timer;
    this.around.time.after(ms, () => {
      if (serial !== this.timer || this.stopped) return;
      if (this.mode === 'finalizing') this.finish(this.proposal);
      else if (this.mode === 'waiting') this.onSilence();
    });
  }

  private onSilence(): void {
    if ([...this.queued.values()].includes(null)) this.sendToAll();
    else for (const peer of this.queued.keys()) this.around.network.connect(this.id, peer);
    this.intervalMs = Math.min(this.intervalMs * 2, 60_000);
    this.setTimer(this.intervalMs);
  }

  private handle(message: Received): void {
    const vote = message.vote ?? NOBODY;
    if (!this.electorate.isVoter(message.from) || !this.electorate.isVoter(vote.leader)) return;
    if (message.state === 'looking') this.handleLooking(message, vote);
    else if (message.state !== 'observing') this.handleSettled(message, vote);
  }

  private handleLooking({ from, round }: Received, vote: Vote): void {
    if (this.ownVote().zxid === -1 || vote.zxid === -1) return;
    if (round < this.clock) return;
    if (round > this.clock) {
      this.clock = round;
      this.recvSet.clear();
      this.proposal = this.succeeds(vote, this.ownVote()) ? vote : this.ownVote();
      this.sendToAll();
    } else if (this.succeeds(vote, this.proposal)) {
      this.proposal = vote;
      this.sendToAll();
    }
    this.recvSet.set(from, { ...vote, round, state: 'looking', version: 0 });
    const own = { ...this.proposal, round: this.clock, state: 'looking', version: 0 } as const;
    if (!this.hasQuorum(this.recvSet, own)) return;
    this.mode = 'finalizing';
    this.setTimer(FINALIZE_WAIT_MS);
  }

  private handleSettled({ from, round, state, version }: Received, vote: Vote): void {
    const counted = { ...vote, round, state, version };
    if (round === this.clock) {
      this.recvSet.set(from, { ...counted, version: 0 });
      if (this.hasQuorum(this.recvSet, counted) && this.checkLeader(this.recvSet, counted)) {
        this.finish(vote);
        return;
      }
    }
    this.outOfElection.set(from, counted);
    if (this.hasQuorum(this.outOfElection, counted)) {
      if (!this.checkLeader(this.outOfElection, counted)) return;
      this.clock = round;
      this.finish(vote);
    }
  }

  private checkLeader(votes: ReadonlyMap<ServerId, CountedVote>, vote: CountedVote): boolean {
    if (vote.leader === this.id) return vote.round === this.clock;
    return votes.get(vote.leader)?.state === 'leading';
  }

  private finish(vote: Vote): void {
    this.mode = 'away';
    this.timer += 1;
    this.received.length = 0;
    this.currentVote = vote;
    this.currentVoteRound = this.clock;
    const learns = this.config.observer ? 'observing' : 'following';
    this.state = vote.leader === this.id ? 'leading' : learns;
    this.around.observer.decided(this, { state: this.state, vote, round: this.clock });
  }

  private hasQuorum(votes: ReadonlyMap<ServerId, CountedVote>, like: CountedVote): boolean {
    const equal = [...votes].filter(([, vote]) => areEqual(like, vote)).map(([id]) => id);
    return this.electorate.isQuorum(new Set(equal));
  }

  private succeeds(vote: Vote, other: Vote): boolean {
    if (this.electorate.weightOf(vote.leader) === 0) return false;
    const parts = [
      [vote.peerEpoch, other.peerEpoch],
      [vote.zxid, other.zxid],
      [vote.leader, other.leader],
    ] as const;
    const [a, b] = parts.find(([x, y]) => x !== y) ?? [0, 0];
    return a > b;
  }

  private ownVote(): Vote {
    if (!this.config.current.verifier.isVoter(this.id)) return NOBODY;
    const { lastZxid, currentEpoch } = this.history;
    return { leader: this.id, zxid: lastZxid, peerEpoch: currentEpoch };
  }

  private notification(vote: Vote, round: number): Notification {
    return {
      state: this.state,
      vote: vote.leader === NOBODY.leader ? null : vote,
      round,
      version: 2,
      configVersion: this.config.current.version,
    };
  }

  private sendToAll(): void {
    const message = this.notification(this.proposal, this.clock);
    for (const voter of this.electorate.voters) {
      if (voter === this.id) this.receive({ ...message, from: this.id });
      else this.queue(voter, message);
    }
    this.setTimer(this.intervalMs);
  }

  private queue(to: ServerId, message: Notification): void {
    this.queued.set(to, message);
    if (this.around.network.isUp(this.id, to)) this.transmit(to, message);
    else this.around.network.connect(this.id, to);
  }

  private transmit(to: ServerId, message: Notification): void {
    this.queued.set(to, null);
    this.lastSent.set(to, message);
    this.around.network.send(this.id, to, message);
  }
}

function areEqual(a: CountedVote, b: CountedVote): boolean {
  if (a.state === 'looking' || b.state === 'looking') {
    return (
      a.leader === b.leader &&
      a.zxid === b.zxid &&
      a.round === b.round &&
      a.peerEpoch === b.peerEpoch
    );
  }
  if (a.version > 0 !== b.version > 0) return a.leader === b.leader;
  return a.leader === b.leader && a.peerEpoch === b.peerEpoch;
}
