import { zxidOf } from '@aviary/foundation';
import type { ServerId } from '../../src/index.js';
import type { Electorate } from '../../src/election/electorate.js';
import type { Member } from './member.js';
import type { ElectionNetwork } from './network.js';
import type { VirtualTime } from './virtual-time.js';

/** How long a leader waits for a quorum, and a learner for its leader. */
const INIT_LIMIT_MS = 2_000;
/** How long silence between a leader and a learner goes unnoticed. */
const SYNC_LIMIT_MS = 500;
/** What the files cost that are written before an epoch begins. */
const SYNC_MS = 3;
const OUR_RETRY_MS = 10;
const APACHE_RETRY_MS = 100;
const APACHE_TRIES = 5;

interface Term {
  readonly leader: Member;
  readonly learners: Set<Member>;
  /** A quorum has been there. */
  confirmed: boolean;
  /** null: not settled. */
  epoch: number | null;
  over: boolean;
}

/** What a member does at the moment; another object after every change. */
interface Post {
  readonly member: Member;
  readonly leader: ServerId;
  /** Connected to the leader, and waiting for it to begin. */
  held: boolean;
}

/**
 * What comes after an election, as far as elections depend on it: learners find their leader or not,
 * a leader needs a quorum in time and must not be behind its followers, and both notice when the
 * other one is gone.
 */
export class Offices {
  private readonly terms = new Map<ServerId, Term>();
  private readonly posts = new Map<ServerId, Post>();
  private readonly ours = new Set<ServerId>();

  constructor(
    private readonly time: VirtualTime,
    private readonly network: ElectionNetwork,
    private readonly electorate: Electorate,
    private readonly delayMs: (from: ServerId, to: ServerId) => number,
  ) {}

  /** Of the leaders that had a quorum in sync and have not noticed anything else. */
  get settledTerms(): readonly Term[] {
    return [...this.terms.values()].filter(({ epoch }) => epoch !== null);
  }

  /** Says which servers are ours, for ZooKeeper's close their port when they do not lead. */
  register(member: Member): void {
    if (member.isOurs) this.ours.add(member.id);
  }

  describe(): string {
    const terms = [...this.terms.values()].map(
      ({ leader, learners, epoch }) =>
        `${leader.id} leads ${[...learners].map(({ id }) => id).join(' ')} in epoch ${epoch}`,
    );
    const posts = [...this.posts.values()].map(
      ({ member, leader, held }) => `${member.id} wants ${leader}${held ? ' and waits' : ''}`,
    );
    return [...terms, ...posts].join(', ');
  }

  enter(member: Member, leader: ServerId): void {
    this.leave(member);
    const post: Post = { member, leader, held: false };
    this.posts.set(member.id, post);
    if (leader === member.id) {
      this.lead(member);
      return;
    }
    for (const waiting of this.posts.values()) {
      if (waiting.held && waiting.leader === member.id) this.dismiss(waiting.member, member);
    }
    this.dial(post, 1, this.time.nowMs);
  }

  /** A member crashed, or ended its role. Those who depend on it hear of it. */
  leave(member: Member): void {
    const term = this.terms.get(member.id);
    if (term?.leader === member) {
      term.over = true;
      this.terms.delete(member.id);
      for (const learner of term.learners) this.dismiss(learner, member);
    }
    const post = this.posts.get(member.id);
    if (post?.member === member) {
      this.posts.delete(member.id);
      for (const other of this.terms.values()) this.lose(other, member);
    }
    for (const waiting of this.posts.values()) {
      if (waiting.held && waiting.leader === member.id && !this.network.isRunning(member.id)) {
        this.dismiss(waiting.member, member);
      }
    }
  }

  /** The network was cut: who does not hear from the other side gives up after a while. */
  afterCut(): void {
    this.time.after(SYNC_LIMIT_MS, () => {
      for (const term of this.terms.values()) {
        for (const learner of [...term.learners]) {
          if (!this.network.isCut(term.leader.id, learner.id)) continue;
          this.fail(learner);
          this.lose(term, learner);
        }
      }
    });
  }

  private lead(member: Member): void {
    const term: Term = {
      leader: member,
      learners: new Set(),
      confirmed: false,
      epoch: null,
      over: false,
    };
    this.terms.set(member.id, term);
    for (const post of this.posts.values()) {
      if (!term.over && post.held && post.leader === member.id) this.accept(term, post);
    }
    if (!term.over) this.tryToSettle(term);
    this.time.after(INIT_LIMIT_MS, () => {
      if (!term.over && term.epoch === null) this.fail(member);
    });
  }

  private dial(post: Post, tries: number, startedAtMs: number): void {
    const { member, leader } = post;
    this.time.after(this.delayMs(member.id, leader), () => {
      if (this.posts.get(member.id) !== post) return;
      if (this.network.isCut(member.id, leader)) {
        this.failLater(post, INIT_LIMIT_MS / 2);
        return;
      }
      const term = this.terms.get(leader);
      if (term !== undefined) {
        this.accept(term, post);
        return;
      }
      const elsewhere = this.posts.get(leader);
      if (this.network.isRunning(leader) && this.ours.has(leader)) {
        // Ours lets learners wait until it knows whether it leads.
        if (elsewhere !== undefined) this.failLater(post, this.delayMs(leader, member.id));
        else post.held = true;
        this.failLater(post, INIT_LIMIT_MS, true);
        return;
      }
      this.retry(post, tries, startedAtMs);
    });
  }

  /** The port is closed: the leader is down, or ZooKeeper's and not ready. */
  private retry(post: Post, tries: number, startedAtMs: number): void {
    const { isOurs } = post.member;
    const isOver = isOurs ? this.time.nowMs - startedAtMs > INIT_LIMIT_MS : tries >= APACHE_TRIES;
    if (isOver) {
      this.fail(post.member);
      return;
    }
    this.time.after(isOurs ? OUR_RETRY_MS : APACHE_RETRY_MS, () => {
      if (this.posts.get(post.member.id) === post) this.dial(post, tries + 1, startedAtMs);
    });
  }

  private accept(term: Term, post: Post): void {
    post.held = false;
    term.learners.add(post.member);
    if (term.confirmed) this.confirm(term, [post.member]);
    if (term.epoch === null) this.tryToSettle(term);
    else this.bringUp(term, post.member);
  }

  private tryToSettle(term: Term): void {
    const { leader } = term;
    const present = [leader, ...term.learners];
    if (!this.electorate.isQuorum(new Set(present.map(({ id }) => id)))) return;
    // A voter without weight may know more than all others. ZooKeeper then has no leader for long.
    const voters = [...term.learners].filter(({ id }) => this.electorate.weightOf(id) > 0);
    const ahead = voters.find(({ history }) => isAhead(history, leader.history));
    if (ahead !== undefined) {
      this.fail(leader);
      return;
    }
    if (!term.confirmed) {
      term.confirmed = true;
      leader.confirmed();
      this.confirm(term, [...term.learners]);
    }
    const longestMs = Math.max(0, ...voters.map(({ id }) => this.delayMs(leader.id, id)));
    this.time.after(longestMs * 4 + SYNC_MS, () => {
      const still = [leader, ...term.learners];
      if (term.over || term.epoch !== null) return;
      if (!this.electorate.isQuorum(new Set(still.map(({ id }) => id)))) return;
      term.epoch = Math.max(...still.map(({ history }) => history.acceptedEpoch)) + 1;
      leader.history.acceptedEpoch = leader.history.currentEpoch = term.epoch;
      leader.history.lastZxid = zxidOf(term.epoch, 0);
      leader.settled(term.epoch);
      for (const learner of term.learners) this.bringUp(term, learner);
    });
  }

  private confirm(term: Term, learners: readonly Member[]): void {
    for (const learner of learners) {
      this.time.after(this.delayMs(term.leader.id, learner.id), () => {
        if (!term.over && term.learners.has(learner)) learner.confirmed();
      });
    }
  }

  private bringUp(term: Term, learner: Member): void {
    this.time.after(this.delayMs(term.leader.id, learner.id) + SYNC_MS, () => {
      const { epoch, leader } = term;
      if (term.over || epoch === null || !term.learners.has(learner)) return;
      learner.history.acceptedEpoch = learner.history.currentEpoch = epoch;
      learner.history.lastZxid = leader.history.lastZxid;
      learner.settled(epoch);
    });
  }

  /** The leader loses a learner, and perhaps its quorum. */
  private lose(term: Term, learner: Member): void {
    if (!term.learners.delete(learner)) return;
    if (term.epoch === null) return;
    const left = new Set([term.leader.id, ...[...term.learners].map(({ id }) => id)]);
    if (this.electorate.isQuorum(left)) return;
    this.time.after(this.delayMs(learner.id, term.leader.id), () => {
      if (!term.over) this.fail(term.leader);
    });
  }

  /** The connection of a learner to its leader closes, unless nothing gets through. */
  private dismiss(learner: Member, leader: Member): void {
    const post = this.posts.get(learner.id);
    if (post?.member !== learner) return;
    const isCut = this.network.isCut(learner.id, leader.id);
    this.failLater(post, isCut ? SYNC_LIMIT_MS : this.delayMs(leader.id, learner.id));
  }

  private failLater(post: Post, ms: number, onlyIfHeld = false): void {
    this.time.after(ms, () => {
      if (this.posts.get(post.member.id) !== post) return;
      if (!onlyIfHeld || post.held) this.fail(post.member);
    });
  }

  private fail(member: Member): void {
    this.leave(member);
    member.roleFailed();
  }
}

function isAhead(
  a: { currentEpoch: number; lastZxid: number },
  b: { currentEpoch: number; lastZxid: number },
): boolean {
  if (a.currentEpoch !== b.currentEpoch) return a.currentEpoch > b.currentEpoch;
  return a.lastZxid > b.lastZxid;
}
