import { BehaviorSubject, type Observable } from 'rxjs';
import { DeadlineExceededError } from '@aviary/client';
import { TimeLimit, type TimeLimits } from '@aviary/coordination';
import type { Log } from '@aviary/foundation';
import { Candidacy, type CandidacyTerms } from './candidacy.js';
import { clearTheWay, outcomeOf, type ClearedWay, type HandOverTerms } from './hand-over.js';
import {
  HandOverError,
  LeadersClosedError,
  LeadershipTimeoutError,
  NotCampaigningError,
} from './leader-errors.js';
import { statusOf, type LeaderStatus } from './leader-status.js';
import type { LeaderTerm } from './leader-term.js';

/** What a role is made of. */
export interface RoleTerms extends Omit<CandidacyTerms, 'onTerm' | 'onPlace' | 'onProblem'> {
  /** Whether to wait for leadership is not enough to take part. */
  readonly onlyObserves: boolean;
}

/** What is done while leading: the term ends with it. */
export type LeaderWork = (term: LeaderTerm) => unknown;

/**
 * A role that one process at a time has, of all that campaign for it.
 *
 * Without {@link campaign} it only observes. Nothing of it waits for leadership unless asked to.
 */
export class LeaderRole {
  readonly name: string;
  /** The directory of those who take part. */
  readonly path: string;
  /** The name of this process among them. */
  readonly id: string;
  /**
   * The term of this process: now, and when one begins or ends (null). Hot, replays the latest, never
   * errors, completes when the leaders are closed. Subscribers must not throw.
   */
  readonly term$: Observable<LeaderTerm | null>;
  /** Who leads, who waits, and whether it is this process; see {@link statusOf}. */
  readonly status$: Observable<LeaderStatus>;
  private readonly terms: RoleTerms;
  private readonly termSubject = new BehaviorSubject<LeaderTerm | null>(null);
  private readonly problems = new BehaviorSubject<unknown>(null);
  private readonly ownNodes = new BehaviorSubject<string | null>(null);
  private readonly ownTerms = new WeakSet<LeaderTerm>();
  private candidacy: Candidacy | null = null;
  /** Candidacies that were stopped, and whose terms' work may still run. */
  private readonly stopping = new Set<Promise<void>>();
  private work: LeaderWork | null = null;
  private isClosed = false;

  /** @internal Use `Leaders.role`. */
  constructor(terms: RoleTerms) {
    this.terms = terms;
    this.name = terms.role;
    this.path = terms.path;
    this.id = terms.id;
    this.term$ = this.termSubject.asObservable();
    this.status$ = statusOf({
      zk: terms.zk,
      role: terms.role,
      path: terms.path,
      discipline: terms.discipline,
      term$: this.term$,
      ownNode$: this.ownNodes,
    });
  }

  /** The term of this process, if work may begin in it; else null. Compares with the clock. */
  get term(): LeaderTerm | null {
    const term = this.termSubject.value;
    return term?.isOpen === true ? term : null;
  }

  /** Whether this process takes part. */
  get isCampaigning(): boolean {
    return this.candidacy !== null;
  }

  /** Why this process cannot take part just now, as an error; null: it can, or does not want to. */
  get problem(): unknown {
    return this.problems.value;
  }

  /**
   * Takes part from now on, in the background, until {@link withdraw}: through broken connections and
   * new sessions. Does nothing if it does already.
   *
   * @param work Done in each term; when it has ended this process steps down to the end of the queue,
   * as with Curator's `LeaderSelector`. What it throws is reported. Unset: it leads until it is asked
   * to step down.
   * @throws {LeadersClosedError}
   */
  campaign(work: LeaderWork | null = null): void {
    if (this.isClosed) throw new LeadersClosedError(this.path);
    this.work = work ?? (this.candidacy === null ? null : this.work);
    this.candidacy ??= new Candidacy({
      ...this.terms,
      onTerm: (term) => this.onTerm(term),
      onPlace: () => this.ownNodes.next(this.ownNode()),
      onProblem: (problem) => {
        if (problem !== this.problems.value) this.problems.next(problem);
      },
    });
  }

  /**
   * Steps down, but goes on taking part, from the end of the queue. Resolves when the work of the term
   * has ended, or its grace period, and the role is free; at once if this process does not lead. After a
   * broken connection, by which its term has ended, it gives up the place that was kept for the next one.
   */
  async resign(): Promise<void> {
    await this.candidacy?.resign();
  }

  /** As {@link resign}, and takes no part any more. Never rejects. */
  async withdraw(): Promise<void> {
    await this.stop('resigned');
  }

  /**
   * The term of this process, as soon as there is one. It campaigns from now on, unless its leaders were
   * told to observe only.
   *
   * @throws {LeadershipTimeoutError} Not within `waitMs`. It goes on campaigning, as after each of these.
   * @throws {AbortedError} By `signal`.
   * @throws {ForeignContenderError} and other reasons for which it cannot take part: {@link problem}.
   * @throws {NotCampaigningError} They have `campaign: false`, and {@link campaign} was not called, or not
   * since {@link withdraw}.
   * @throws {LeadersClosedError}
   */
  async whenLeading(limits: TimeLimits = {}): Promise<LeaderTerm> {
    const { onlyObserves } = this.terms;
    if (!onlyObserves) this.campaign();
    const limit = new TimeLimit(this.terms.zk.clock, limits);
    for (;;) {
      const { term, problem } = this;
      if (term !== null) return term;
      if (this.isClosed) throw new LeadersClosedError(this.path);
      if (onlyObserves && !this.isCampaigning) throw new NotCampaigningError(this.name, this.path);
      if (problem !== null) throw problem as Error;
      if (limit.restMs === 0 && limit.signal?.aborted !== true) {
        const { state } = this.terms.zk;
        const isConnected = state.kind === 'connected' || state.kind === 'reconnected';
        const why = isConnected ? null : `the client is ${state.kind}`;
        throw new LeadershipTimeoutError(this.name, this.path, limits.waitMs ?? 0, why);
      }
      limit.assertLeft('whenLeading', this.path);
      const change = this.nextChange();
      await limit.race(change.happened);
      change.forget();
    }
  }

  /**
   * Makes the one called `id` the leader, also if others wait before it. Any process may ask for it.
   *
   * Those between are sent to the end of the queue; whoever leads later has a greater token all the
   * same. The leader's term ends (`resigned` here, `revoked` in another process), and the role passes
   * on when its work has ended. A leader that is Curator's cannot be asked: the chosen one is then the
   * next.
   *
   * @param limits Without `waitMs` it waits for as long as the leader's work takes.
   * @throws {HandOverError} Nobody of that name takes part (for five seconds: who was sent to the end of
   * the queue by another hand-over is not in it for a moment), it left meanwhile, or the leader has not
   * stepped down in time. @throws {AbortedError} and what else the client's calls throw.
   */
  async transferTo(id: string, limits: TimeLimits = {}): Promise<void> {
    const { zk, discipline } = this.terms;
    const limit = new TimeLimit(zk.clock, limits);
    const terms = { zk, path: this.path, discipline, ownNode: this.ownNode };
    const way = await clearTheWay(terms, id, limit);
    if (way === null) return;
    if (way.leader.nodePath === this.ownNode()) void this.resign();
    await this.awaitHandOver(terms, way, limit);
  }

  /** @internal Whether a term is or was this role's. */
  isTermOf(term: LeaderTerm): boolean {
    return this.ownTerms.has(term);
  }

  /** @internal As {@link withdraw}, for the end of the application. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.stop('shutdown');
    this.termSubject.complete();
    this.problems.complete();
  }

  private readonly ownNode = (): string | null => this.candidacy?.nodePath ?? null;

  /** From here on another campaign may begin; its node stands behind the one that is given up. */
  private async stop(reason: 'shutdown' | 'resigned'): Promise<void> {
    const { candidacy } = this;
    this.candidacy = null;
    this.ownNodes.next(null);
    this.problems.next(null);
    if (candidacy !== null) {
      const stopped = candidacy.stop(reason).finally(() => this.stopping.delete(stopped));
      this.stopping.add(stopped);
    }
    await Promise.all(this.stopping);
  }

  private onTerm(term: LeaderTerm | null): void {
    if (term !== null) this.ownTerms.add(term);
    this.termSubject.next(term);
    const { work } = this;
    if (term !== null && work !== null) void this.doWork(term, work);
  }

  private async doWork(term: LeaderTerm, work: LeaderWork): Promise<void> {
    const log: Log = this.terms.log;
    try {
      await term.run(() => work(term));
    } catch (error) {
      log.error(`the work of the leader of "${this.name}" failed`, { error });
    }
    term.end('resigned');
  }

  private async awaitHandOver(
    terms: HandOverTerms,
    way: ClearedWay,
    limit: TimeLimit,
  ): Promise<void> {
    const { zk } = this.terms;
    const { leader, chosen } = way;
    const fail = (problem: string): never => {
      throw new HandOverError(this.path, problem, 'unknown');
    };
    const late = `"${leader.id}" has not stepped down in time, but "${chosen.id}" is the next`;
    try {
      for (;;) {
        const hasHappened = await outcomeOf(terms, way, limit);
        if (hasHappened === true) return;
        if (hasHappened === false) return fail(`"${chosen.id}" has left meanwhile`);
        const { stat, watch } = await zk.existsAndWatch(leader.nodePath, limit.rest());
        if (stat !== null) await limit.race(watch.fired);
        watch.cancel();
      }
    } catch (error) {
      if (error instanceof DeadlineExceededError) fail(late);
      throw error;
    }
  }

  /** The next change of the term or of what is in its way. */
  private nextChange(): { readonly happened: Promise<void>; forget(): void } {
    let forget = (): void => undefined;
    const happened = new Promise<void>((resolve) => {
      let isFirst = true;
      const onNext = () => {
        if (!isFirst) resolve();
      };
      const subscription = this.termSubject.subscribe({ next: onNext, complete: resolve });
      subscription.add(this.problems.subscribe({ next: onNext, complete: resolve }));
      isFirst = false;
      forget = () => subscription.unsubscribe();
    });
    return { happened, forget };
  }
}
