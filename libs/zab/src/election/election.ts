import { assert, assertNever, type Zxid } from '@aviary/foundation';
import type { ServerId } from '../quorum/quorum-verifier.js';
import { isBetter, isSameVote, supportersOf, type Ballot, type Ballots } from './ballot.js';
import type { ElectionInput, ElectionOptions, ElectionOutput } from './election-io.js';
import { Electorate, type ElectionConfig } from './electorate.js';
import { finalWaitMs } from './final-wait.js';
import { Links, type LinkFailure } from './links.js';
import { Mandate, type AbandonReason } from './mandate.js';
import {
  NOTIFICATION_VERSION,
  ZXID_UNKNOWN,
  type Notification,
  type ServerState,
  type Vote,
} from './notification.js';
import { ResendTimer } from './resend-timer.js';

/**
 * One server's part in the elections of its ensemble: ZooKeeper's FastLeaderElection as a state
 * machine, in all states, for it also answers others once it has a leader.
 *
 * Each server votes for the best candidate that it has heard of, and tells every voter whenever that
 * changes. Once a quorum has voted alike in one round, that candidate is elected; who comes later
 * learns of it from those who have a leader already.
 *
 * Unlike there, the end of an election is not a pause of 200 ms. It only has to be likely that no
 * better vote is under way, for an election does not make history: it says who tries first. Before
 * a leader acts, a quorum has told it how far their histories go, and it gives up if one of them is
 * ahead of its own (Leader.waitForEpochAck, from the discovery phase of Zab). Any two quorums share
 * a server, so whoever gets past that has every committed transaction, however it was elected. A
 * choice made too early therefore costs time, never data, and {@link Mandate} keeps the cost small.
 *
 * Call {@link step} with `look` first. Inputs come in the order in which they happened; what an
 * earlier connection to a peer still had to say is not told once the next one is up.
 *
 * @see Junqueira, Reed, Serafini: "Zab: High-performance broadcast for primary-backup systems" (2011)
 */
export class Election {
  private readonly me: ServerId;
  private readonly finalizeWaitMs: number | null;
  private readonly adoptsNewerConfig: boolean;
  /** How long a vote is held that comes while we have a leader. */
  private readonly heldMs: number;
  private electorate: Electorate;
  private readonly links = new Links();
  private outputs: ElectionOutput[] = [];

  private serverState: ServerState = 'looking';
  private currentRound = 0;
  /** While looking, the candidate we vote for; then the leader we have. null: none so far. */
  private vote: Vote | null = null;
  /** Our own history, as of the last `look`. */
  private own = { lastZxid: 0 as Zxid, currentEpoch: 0 };

  /** Whether the search is on: looking, and not only waiting for `look`. */
  private searching = false;
  private readonly resendTimer: ResendTimer;
  /** How long the timer of the last wait before the decision is; null: it does not run. */
  private finalWaitMs: number | null = null;
  /** Votes of this round. Invariant while searching: `round` of each is the current one. */
  private readonly ballots = new Map<ServerId, Ballot>();
  /** Of those who have a leader, of whatever round. ZooKeeper: outofelection. */
  private readonly established = new Map<ServerId, Ballot>();
  /** Voters who vote without a history: they are not counted, and bring nothing better. */
  private readonly mute = new Set<ServerId>();
  /** Those who have been sent our vote as it is, and have not connected anew since. */
  private readonly told = new Set<ServerId>();
  /** Voters who had a leader when our vote reached them, so they have not kept it. */
  private readonly unaware = new Set<ServerId>();
  /** Votes of those who look while we do not search, to be heard when we do. */
  private readonly held = new Map<ServerId, Notification>();
  /** Servers that asked while we were looking, and will not find a leader by votes alone. */
  private readonly asking = new Set<ServerId>();

  /** After a decision, until it is confirmed. */
  private mandate: Mandate | null = null;

  constructor(options: ElectionOptions) {
    this.me = options.me;
    this.electorate = new Electorate(options.config);
    this.finalizeWaitMs = options.finalizeWaitMs ?? null;
    this.heldMs = options.notificationMinMs ?? 200;
    this.resendTimer = new ResendTimer({
      minMs: this.heldMs,
      maxMs: options.notificationMaxMs ?? 60_000,
      dialMs: options.dialIntervalMs ?? 1_000,
    });
    this.adoptsNewerConfig = options.adoptsNewerConfig ?? false;
  }

  get state(): ServerState {
    return this.serverState;
  }

  get round(): number {
    return this.currentRound;
  }

  /** Returns what the host must now do. Never throws on what a peer says. */
  step(input: ElectionInput): readonly ElectionOutput[] {
    this.outputs = [];
    switch (input.kind) {
      case 'look':
        this.look(input.lastZxid, input.currentEpoch);
        break;
      case 'notification':
        this.onNotification(input.from, input.notification);
        break;
      case 'timer':
        this.onTimer();
        break;
      case 'linkUp':
        this.onLinkUp(input.peer, input.rttMs);
        break;
      case 'linkDown':
        this.onLinkDown(input.peer, input.failure);
        break;
      case 'confirmed':
        this.mandate = null;
        break;
      case 'settled':
        this.onSettled(input.epoch);
        break;
      case 'roleEnded':
        this.stopSearching();
        this.standBy();
        break;
      case 'appointed':
        this.onAppointed(input.leader, input.zxid);
        break;
      case 'configured':
        this.onConfigured(input.config);
        break;
      default:
        assertNever(input);
    }
    return this.outputs;
  }

  private look(lastZxid: Zxid, currentEpoch: number): void {
    this.own = { lastZxid, currentEpoch };
    this.links.startElection();
    this.established.clear();
    this.unaware.clear();
    this.startRound();
    for (const [from, said] of this.held) {
      this.held.delete(from);
      // Who is behind has just been told so.
      const counts = this.searching && said.round >= this.currentRound;
      if (counts && this.electorate.isVoter(from)) this.onBallot(from, said);
    }
  }

  /** Begins a round of our own accord, with our own vote. */
  private startRound(): void {
    this.serverState = 'looking';
    this.searching = true;
    this.mandate = null;
    this.resendTimer.reset();
    this.enterRound(this.currentRound + 1);
    this.propose(this.ownVote());
    this.conclude(true);
  }

  private enterRound(round: number): void {
    this.currentRound = round;
    this.ballots.clear();
    this.mute.clear();
  }

  private ownVote(): Vote | null {
    if (!this.electorate.isCandidate(this.me)) return null;
    const { lastZxid, currentEpoch } = this.own;
    return { leader: this.me, zxid: lastZxid, peerEpoch: currentEpoch };
  }

  /** Changes our vote, counts it, and tells every voter. */
  private propose(vote: Vote | null): void {
    this.vote = vote;
    this.told.clear();
    this.finalWaitMs = null;
    if (vote !== null && vote.zxid !== ZXID_UNKNOWN && this.electorate.isVoter(this.me)) {
      this.ballots.set(this.me, this.ballotFor(vote));
    }
    this.tellAll();
  }

  private tellAll(): void {
    for (const voter of this.electorate.voters) {
      if (voter !== this.me && this.links.isUp(voter)) this.tell(voter);
    }
    this.dialAll();
  }

  private dialAll(): void {
    for (const voter of this.electorate.voters) if (voter !== this.me) this.dial(voter);
  }

  /** Sends our vote, or whom we have as leader. */
  private tell(to: ServerId): void {
    this.unaware.delete(to);
    if (this.links.isUp(to)) this.told.add(to);
    const { currentRound: round, serverState: state, vote } = this;
    const configVersion = this.electorate.config.current.version;
    const notification = { state, vote, round, version: NOTIFICATION_VERSION, configVersion };
    this.outputs.push({ kind: 'send', to, notification });
  }

  private dial(peer: ServerId): void {
    if (this.links.mayDial(peer)) this.outputs.push({ kind: 'connect', to: peer });
  }

  private onNotification(from: ServerId, said: Notification): void {
    const { serverState, electorate } = this;
    this.held.delete(from);
    const isNewer = said.configVersion > electorate.config.current.version;
    if (isNewer && serverState === 'looking' && this.adoptsNewerConfig) {
      this.outputs.push({ kind: 'newerConfig', from, version: said.configVersion });
    } else if (!electorate.isVoter(from)) {
      this.onStranger(from, said);
    } else if (this.searching) {
      this.onBallot(from, said);
    } else if (said.state !== 'looking') {
      // An answer to what we asked before we had a leader.
    } else if (serverState === 'looking') {
      this.held.set(from, said);
    } else {
      this.onAsked(from, said);
    }
  }

  /**
   * Answers who has no vote. ZooKeeper answers in every case, and two that are looking in different
   * rounds then go on answering each other; so what would be dropped there is not sent. Instead,
   * those who asked during our search hear of its end.
   */
  private onStranger(from: ServerId, said: Notification): void {
    if (said.state !== 'looking') return;
    if (this.serverState === 'looking') this.asking.add(from);
    if (this.searching ? said.round <= this.currentRound : this.serverState !== 'looking') {
      this.tell(from);
    }
  }

  /** A voter looks for a leader, and we have one. */
  private onAsked(from: ServerId, said: Notification): void {
    const reason = this.mandate?.onLooking(from, said, this.electorate) ?? null;
    if (reason !== null) {
      this.held.set(from, said);
      this.abandon(reason);
      return;
    }
    if (said.round > this.currentRound) this.holdAWhile(from, said);
    if (this.serverState === 'leading') this.outputs.push({ kind: 'sawLooking', peer: from });
    if (this.needsAnswer(from, said)) this.tell(from);
  }

  /**
   * A voter may have lost the leader a moment before us, and does not repeat itself when we ask. But
   * it may as well find the leader again, and does not say that either: it soon counts no more.
   */
  private holdAWhile(from: ServerId, said: Notification): void {
    this.held.set(from, said);
    this.setTimer(this.heldMs);
  }

  /**
   * Whether who looks would not find our leader anyway. Who has our vote, and comes round to it in
   * the same round, does: an answer only makes ZooKeeper's last wait begin anew. When it repeats
   * itself, it misses something.
   */
  private needsAnswer(from: ServerId, { vote, round, version }: Notification): boolean {
    if (vote === null || round !== this.currentRound || !this.told.has(from)) return true;
    const ballot: Ballot = { vote, round, state: 'looking', version };
    const last = this.ballots.get(from);
    this.ballots.set(from, ballot);
    return isBetter(vote, this.vote) || (last !== undefined && isSameVote(ballot, last));
  }

  private onBallot(from: ServerId, said: Notification): void {
    const vote = said.vote !== null && this.electorate.isVoter(said.vote.leader) ? said.vote : null;
    switch (said.state) {
      case 'looking':
        this.onLooking(from, said, vote);
        break;
      case 'following':
      case 'leading':
        this.unaware.add(from);
        if (vote !== null) this.onEstablished(from, said, vote);
        break;
      case 'observing':
        this.unaware.add(from);
        break;
      default:
        assertNever(said.state);
    }
    this.resendTimer.heard();
    if (this.searching) this.conclude(true);
  }

  private onLooking(from: ServerId, said: Notification, vote: Vote | null): void {
    const { round } = said;
    if (round < this.currentRound) {
      // Our answer moves a voter to our round. We have none for it if we do not vote ourselves.
      if (this.electorate.isVoter(this.me)) this.tell(from);
      return;
    }
    if (vote === null || (this.own.lastZxid === ZXID_UNKNOWN && this.ownVote() !== null)) return;
    if (vote.zxid === ZXID_UNKNOWN) {
      this.mute.add(from);
      this.asking.add(from);
      return;
    }
    if (round > this.currentRound) {
      this.enterRound(round);
      const own = this.ownVote();
      this.propose(this.electorate.prefers(vote, own) ? vote : own);
    } else if (this.electorate.prefers(vote, this.vote)) {
      this.propose(vote);
    } else if (this.unaware.has(from)) {
      this.tell(from);
    }
    // Better, and yet not taken: for a candidate of weight 0. ZooKeeper's server clings to it.
    if (isBetter(vote, this.vote)) this.asking.add(from);
    this.ballots.set(from, { vote, round, state: 'looking', version: said.version });
  }

  /** A voter has a leader. If a quorum has the same one, and that one leads, we have found it. */
  private onEstablished(from: ServerId, said: Notification, vote: Vote): void {
    const { state, round, version } = said;
    const ballot: Ballot = { vote, round, state, version };
    if (round === this.currentRound) {
      // ZooKeeper keeps these without a version: in one round, one leader is one election, whether
      // or not its followers have come to its epoch already.
      this.ballots.set(from, { ...ballot, version: 0 });
      if (this.joins(ballot, this.ballots)) return;
    }
    this.established.set(from, ballot);
    this.joins(ballot, this.established);
  }

  private joins(ballot: Ballot, ballots: Ballots): boolean {
    const supporters = supportersOf(ballot, ballots);
    if (!this.electorate.isQuorum(supporters) || !this.leads(ballot, ballots)) return false;
    this.currentRound = ballot.round;
    this.told.clear();
    // Followers may speak of an earlier election of the same leader, with less history.
    this.decide((ballots.get(ballot.vote.leader) ?? ballot).vote, supporters);
    return true;
  }

  /**
   * Whether the leader itself says so: the others may not have noticed that it crashed. If it is us,
   * they mean an earlier life of ours unless they are in our round; and never without a history.
   */
  private leads({ vote, round }: Ballot, ballots: Ballots): boolean {
    if (vote.leader === this.me) {
      return this.own.lastZxid !== ZXID_UNKNOWN && round === this.currentRound;
    }
    return ballots.get(vote.leader)?.state === 'leading';
  }

  /**
   * Decides if a quorum votes as we do and no better vote is to be expected. Otherwise sets the timer;
   * but the one of the silence goes on, unless that was broken.
   */
  private conclude(silenceBroken: boolean): void {
    const { vote } = this;
    const supporters =
      vote === null ? new Set<ServerId>() : supportersOf(this.ballotFor(vote), this.ballots);
    if (vote === null || !this.electorate.isQuorum(supporters)) {
      if (silenceBroken || this.finalWaitMs !== null) this.setTimer(this.resendTimer.next());
      this.finalWaitMs = null;
    } else if (this.links.isRefused(vote.leader) && this.ballots.has(vote.leader)) {
      // It voted and died. A new round is one without its vote; in this one it stays the best.
      this.startRound();
    } else {
      const { me, electorate, ballots, mute, unaware, links } = this;
      const turnout = { me, electorate, ballots, mute, unaware, links };
      const waitMs = finalWaitMs(vote, turnout, this.finalizeWaitMs);
      if (waitMs === 0) {
        this.decide(vote, supporters);
      } else if (this.finalWaitMs === null || waitMs < this.finalWaitMs) {
        this.finalWaitMs = waitMs;
        this.setTimer(waitMs);
      }
    }
  }

  private decide(vote: Vote, supporters: Set<ServerId>): void {
    const { leader } = vote;
    if (leader === this.me) supporters.add(this.me);
    const wasHeard = this.ballots.has(leader) || this.established.has(leader);
    const state = this.takeUp(vote, supporters, wasHeard);
    this.outputs.push({ kind: 'decided', state, leader, round: this.currentRound, vote });
    for (const asker of this.asking) this.tell(asker);
    this.asking.clear();
  }

  private takeUp(
    vote: Vote,
    supporters: Set<ServerId> | null,
    leaderWasHeard: boolean,
  ): Exclude<ServerState, 'looking'> {
    this.stopSearching();
    this.links.allowDials();
    const observes = this.electorate.config.observer || this.own.lastZxid === ZXID_UNKNOWN;
    const learns = observes ? 'observing' : 'following';
    const state = vote.leader === this.me ? 'leading' : learns;
    this.serverState = state;
    this.vote = vote;
    this.mandate = new Mandate(this.me, this.ballotFor(vote), supporters, leaderWasHeard);
    return state;
  }

  private ballotFor(vote: Vote): Ballot {
    const { currentRound: round, serverState: state } = this;
    return { vote, round, state, version: NOTIFICATION_VERSION };
  }

  private onTimer(): void {
    if (!this.searching && this.serverState !== 'looking') this.held.clear();
    if (!this.searching) return;
    if (this.finalWaitMs !== null && this.vote !== null) {
      this.decide(this.vote, supportersOf(this.ballotFor(this.vote), this.ballots));
      return;
    }
    this.links.allowDials();
    if (this.resendTimer.elapsed()) this.tellAll();
    else this.dialAll();
    this.setTimer(this.resendTimer.next());
  }

  private setTimer(ms: number): void {
    this.outputs.push({ kind: 'setTimer', ms });
  }

  private onLinkUp(peer: ServerId, rttMs: number | null): void {
    this.links.goesUp(peer, rttMs);
    // The peer may have restarted: what it was told, and what it said, was over the connection before.
    this.told.delete(peer);
    this.held.delete(peer);
    if (this.searching && this.electorate.isVoter(peer)) this.tell(peer);
  }

  private onLinkDown(peer: ServerId, failure: LinkFailure): void {
    this.held.delete(peer);
    this.asking.delete(peer);
    if (!this.electorate.isVoter(peer)) {
      this.links.forget(peer);
      return;
    }
    const wasUp = this.links.isUp(peer);
    this.links.goesDown(peer, failure);
    const matters = this.searching || this.mandate?.dependsOn(peer) === true;
    // A second look tells a crash from a broken connection.
    if (wasUp && matters && failure !== 'refused') this.dial(peer);
    if (this.searching) {
      if (this.links.hasCrashed(peer)) this.conclude(false);
    } else if (failure === 'refused') {
      const reason = this.mandate?.onCrashed(peer, this.electorate) ?? null;
      if (reason !== null) this.abandon(reason);
    }
  }

  private onSettled(epoch: number): void {
    if (this.serverState === 'looking' || this.vote === null) return;
    this.vote = { ...this.vote, peerEpoch: epoch };
    this.mandate = null;
  }

  private onAppointed(leader: ServerId, zxid: Zxid): void {
    this.told.clear();
    this.takeUp({ leader, zxid, peerEpoch: -1 }, null, false);
  }

  private onConfigured(config: ElectionConfig): void {
    this.electorate = new Electorate(config);
    if (this.searching) this.startRound();
  }

  private abandon(reason: AbandonReason): void {
    assert(this.mandate !== null, 'only a decision that is not confirmed is abandoned');
    this.outputs.push({ kind: 'abandon', leader: this.mandate.leader, reason });
    this.standBy();
  }

  /** Looking, as others see it, but not searching before `look`. */
  private standBy(): void {
    this.serverState = 'looking';
    this.mandate = null;
  }

  private stopSearching(): void {
    if (this.searching) this.outputs.push({ kind: 'clearTimer' });
    this.searching = false;
    this.finalWaitMs = null;
  }
}
