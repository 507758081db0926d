import type { Zxid } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';
import { QuorumPositions } from './quorum-positions.js';

/** A follower that leaves so many pings unanswered is no longer one. */
const UNANSWERED_MAX = 256;
/** More rounds than this are not under way at once; requests wait for the next one then. */
const ROUNDS_MAX = 16;

interface Round {
  readonly number: number;
  /** Of the last request that this round answers. */
  readonly ticket: number;
  /** The last proposal when the round began. */
  readonly lastProposed: Zxid;
}

/**
 * Lets a leader say something only while it leads: a `sync` is answered after a quorum has shown that
 * it still followed when the request was already there.
 *
 * ZooKeeper's leader answers from its own belief, and one that was paused or cut off may have been
 * replaced without knowing (ZOOKEEPER-1675). Nobody else can have committed anything before a moment
 * after which a quorum still followed us, because a new leader needs a quorum that has left.
 *
 * A round is a ping to every follower. The answer to it shows that its sender followed after the
 * round began, and so does the acknowledgement of a proposal that was made later. All requests that
 * come before a round begins share it.
 */
export class LeadershipConfirmation {
  private shown: QuorumPositions;
  private readonly rounds: Round[] = [];
  private roundNumber = 0;
  private tickets = 0;
  private ticketInRound = 0;
  private confirmedTicket = 0;
  /** For each follower, the rounds that had begun when its unanswered pings were sent. */
  private readonly pings = new Map<ServerId, number[]>();

  constructor(
    private readonly self: ServerId,
    verifiers: readonly QuorumVerifier[],
  ) {
    this.shown = new QuorumPositions(verifiers);
  }

  /** A request has come. Returns its ticket: 1 for the first, then one more each. */
  request(): number {
    return ++this.tickets;
  }

  /** Whether requests wait for a round that has not begun. */
  get isRoundDue(): boolean {
    return this.ticketInRound < this.tickets && this.rounds.length < ROUNDS_MAX;
  }

  /** Begins a round if one is due. Every follower is to be sent a ping now. */
  beginRound(lastProposed: Zxid): void {
    if (!this.isRoundDue) return;
    this.ticketInRound = this.tickets;
    this.rounds.push({ number: ++this.roundNumber, ticket: this.tickets, lastProposed });
    this.shown.advance(this.self, this.roundNumber);
  }

  /** A ping goes to `id`. False: too many are unanswered, leave it. */
  pinged(id: ServerId): boolean {
    let sent = this.pings.get(id);
    if (sent === undefined) this.pings.set(id, (sent = []));
    return sent.push(this.roundNumber) <= UNANSWERED_MAX;
  }

  /** `id` has answered its oldest ping. Answers to nothing show nothing. */
  answered(id: ServerId): void {
    const round = this.pings.get(id)?.shift();
    if (round !== undefined) this.shown.advance(id, round);
  }

  /** `id` has acknowledged the proposal `zxid`. */
  acknowledged(id: ServerId, zxid: Zxid): void {
    for (let index = this.rounds.length - 1; index >= 0; index--) {
      const { lastProposed, number } = this.rounds[index];
      if (zxid <= lastProposed) continue;
      this.shown.advance(id, number);
      return;
    }
  }

  /** The connection of `id` has ended: its pings are not answered any more. */
  forget(id: ServerId): void {
    this.pings.delete(id);
  }

  /** From now on quorums of `verifiers` have to show it. Rounds that are under way begin again. */
  changeVerifiers(verifiers: readonly QuorumVerifier[]): void {
    this.shown = new QuorumPositions(verifiers);
    this.rounds.length = 0;
    this.ticketInRound = this.confirmedTicket;
  }

  /**
   * The last ticket after whose request leadership was confirmed, and so for all before it. What was
   * proposed before the request has to be committed, too, before that is answered.
   */
  get confirmed(): number {
    const { rounds, shown } = this;
    let passed = 0;
    while (passed < rounds.length && rounds[passed].number <= shown.agreed) {
      this.confirmedTicket = rounds[passed].ticket;
      passed++;
    }
    if (passed > 0) rounds.splice(0, passed);
    return this.confirmedTicket;
  }
}
