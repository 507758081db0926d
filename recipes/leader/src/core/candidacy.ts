import type { Log } from '@aviary/foundation';
import {
  AuthFailedError,
  ClosedError,
  SessionExpiredError,
  type Acl,
  type ZooKeeper,
} from '@aviary/client';
import {
  Lease,
  Place,
  pause,
  type Discipline,
  type DyingNode,
  type LossReason,
  type Removals,
  type SessionOptions,
} from '@aviary/coordination';
import { LeaderTerm } from './leader-term.js';
import { whenAsked } from './step-down.js';

/** How long it takes until a role is contended for again that was refused. */
const RETRY_MS = 5_000;

/** After these the role may still be ours: the place in the queue is kept. */
const KEEPS_PLACE: readonly LossReason[] = ['suspended', 'uncertain'];

/**
 * What becomes of work that goes on after the grace period, when its term has ended. `warn`: it is
 * reported, and the next one may lead. `exit-process`: the process ends with status 1, for work that cannot
 * be stopped.
 */
export type OnOverrun = 'warn' | 'exit-process';

/** When a term ends because there is no connection. */
export type OnSuspended = 'abort' | 'hold-until-deadline';

/** What taking part for one role needs. */
export interface CandidacyTerms {
  readonly zk: ZooKeeper;
  readonly role: string;
  readonly path: string;
  readonly id: string;
  readonly discipline: Discipline;
  readonly acl: readonly Acl[] | undefined;
  readonly onForeignContender: 'throw' | 'warn';
  readonly onSuspended: OnSuspended;
  readonly onOverrun: OnOverrun;
  readonly graceMs: number;
  readonly removals: Removals;
  readonly log: Log;
  /** Told when a term begins, and null when it has ended and its work stops. Must not throw. */
  readonly onTerm: (term: LeaderTerm | null) => void;
  /** Told when {@link Candidacy.nodePath} has changed. */
  readonly onPlace: () => void;
  /** Told why it cannot take part just now; null: it can. */
  readonly onProblem: (problem: unknown) => void;
}

/**
 * Takes part for one role, until it is stopped: a node of ours in the queue, a watch on the one before
 * it, and a term whenever it is first.
 *
 * A broken connection costs a term but not the place: as long as the session lives the node stands
 * where it stood, and is looked at again. Curator's latch once gave its place up at each
 * reconnection, and latches that did so in turns never came to lead. After every other end of a term
 * the place is given up, and it goes to the end of the queue.
 */
export class Candidacy {
  private readonly terms: CandidacyTerms;
  private readonly canceller = new AbortController();
  private readonly running: Promise<void>;
  private readonly warned = new Set<string>();
  private term: LeaderTerm | null = null;
  private place: Place | null = null;
  private leading: Promise<unknown> | null = null;
  /** How many terms there were at this place. */
  private termCount = 0;
  /** Whether the place is to be given up at which this process led: also between two terms. */
  private isResigned = false;
  private isStopping = false;

  /** Begins at once. */
  constructor(terms: CandidacyTerms) {
    this.terms = terms;
    this.running = this.run();
  }

  /** Our node in the queue; null: there is none just now. */
  get nodePath(): string | null {
    return this.place?.node.path ?? null;
  }

  /**
   * Ends the term and the part in the queue; resolves when the work of the term has ended, or its
   * grace period, and the node is on its way out. Never rejects.
   */
  stop(reason: 'shutdown' | 'resigned'): Promise<void> {
    this.isStopping = true;
    // Whoever leads lets its work end first; its node is what the others wait for.
    if (this.term === null) this.canceller.abort();
    else this.term.end(reason);
    return this.running;
  }

  /** Steps down to the end of the queue. Resolves when the role is given up; at once without a term. */
  async resign(): Promise<void> {
    this.isResigned = this.termCount > 0;
    this.term?.end('resigned');
    await this.leading;
  }

  private async run(): Promise<void> {
    const { zk, log, role, onProblem } = this.terms;
    while (!this.isStopping) {
      try {
        const { signal } = this.canceller;
        const sessionId =
          zk.sessionId ?? (await zk.connect({ signal, deadlineMs: Infinity })).sessionId;
        await this.runInSession(sessionId);
      } catch (error) {
        if (this.hasStopped()) return;
        if (error instanceof SessionExpiredError) continue;
        onProblem(error);
        if (error instanceof ClosedError) return;
        const problem = error instanceof Error ? error.message : String(error);
        log.error(`this process does not take part for "${role}": ${problem}`);
        if (error instanceof AuthFailedError) return;
        await pause(zk.clock, RETRY_MS, this.canceller.signal);
      }
    }
  }

  /** Asked anew after each wait, during which it may have come to be so. */
  private hasStopped(): boolean {
    return this.isStopping;
  }

  private async runInSession(sessionId: bigint): Promise<void> {
    const { signal } = this.canceller;
    const options = { signal, deadlineMs: Infinity, inSession: sessionId };
    const warn = (message: string) => this.warnOnce(message);
    const place = await Place.enter(
      { ...this.terms, noun: 'role', identity: this.terms.id, warn },
      options,
    );
    this.termCount = 0;
    this.isResigned = false;
    this.standAt(place);
    try {
      await this.standIn(place, options);
    } finally {
      // In this turn, so that whatever is asked next comes after it.
      if (this.nodePath !== null) void place.leave();
      this.standAt(null);
    }
  }

  private standAt(place: Place | null): void {
    this.place = place;
    this.terms.onPlace();
  }

  /** Returns when the place is gone or given up. */
  private async standIn(place: Place, options: SessionOptions): Promise<void> {
    while (!this.isStopping) {
      const standing = await place.look(options);
      if (standing === null || this.isResigned) return;
      this.terms.onProblem(null);
      if (standing.predecessor !== null) await place.awaitChange(standing, options);
      // If the answer took too long to prove that the session lives, it is asked again.
      else if (this.terms.zk.isSessionCertain(place.node.sessionId)) {
        const leading = this.lead(place);
        this.leading = leading;
        if (!(await leading)) return;
      }
    }
  }

  /** Leads for a term. @returns Whether the place is kept. */
  private async lead({ node }: Place): Promise<boolean> {
    const { zk, role, id, path, graceMs, onTerm } = this.terms;
    let isKept = false;
    const lease = new Lease({
      zk,
      noun: 'role',
      path,
      node,
      maxHoldMs: undefined,
      // The deletion also fires the lease's own watch, so that nothing is left of it.
      remove: () => (isKept ? Promise.resolve() : this.giveUp(node)),
      onReleased: () => undefined,
    });
    const term = new LeaderTerm({ role, id, resumed: this.termCount++, lease, clock: zk.clock });
    const forgetConnection = this.watchConnection(lease);
    this.term = term;
    onTerm(term);
    void this.watchRequests(term, node);
    await aborted(term.signal);
    onTerm(null);
    forgetConnection();
    const isDrained = await term.drain(graceMs);
    if (!isDrained) this.overrun(term);
    const isGivenUp = this.isStopping || this.isResigned || !isDrained;
    isKept = !isGivenUp && KEEPS_PLACE.includes(term.ended ?? 'released');
    await lease.release();
    this.term = null;
    return isKept;
  }

  private giveUp(node: DyingNode): Promise<void> {
    this.standAt(null);
    return this.terms.removals.removeSoon(node);
  }

  private async watchRequests(term: LeaderTerm, node: DyingNode): Promise<void> {
    const { zk, path } = this.terms;
    if (await whenAsked(zk, path, node, term.signal)) term.end('revoked');
  }

  /** Ends the term with the connection, where that is wanted; returns how to stop. */
  private watchConnection(lease: Lease): () => void {
    const { zk, onSuspended } = this.terms;
    if (onSuspended === 'hold-until-deadline') return () => undefined;
    const subscription = zk.state$.subscribe(({ kind }) => {
      if (kind === 'suspended') lease.lose('suspended');
    });
    return () => subscription.unsubscribe();
  }

  private overrun({ role, path, token, workCount }: LeaderTerm): void {
    const { log, onOverrun, graceMs } = this.terms;
    const what =
      `work of the term ${token} of "${role}" (${path}) still runs ${graceMs} ms after its end: ` +
      `${workCount} of it`;
    if (onOverrun === 'exit-process') {
      log.error(`${what}; the process ends, as onOverrun says`);
      process.exit(1);
    }
    log.error(`${what}, beside that of the next leader`);
  }

  /** The queue is looked at as often as something happens there. */
  private warnOnce(message: string): void {
    if (!this.warned.has(message)) this.terms.log.warn(message);
    this.warned.add(message);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
