import type { Clock, Log } from '@aviary/foundation';
import { CoordinationError } from '@aviary/client';
import { pause } from '@aviary/coordination';
import { NotLeaderError } from './leader-errors.js';
import { planOf, type MisfirePolicy } from './cron-plan.js';
import type { CronFire, CronRecord, FireOutcome, StoredRecord } from './cron-record.js';
import type { CronSchedule } from './cron-schedule.js';
import type { CronStore } from './cron-store.js';
import type { LeaderRole } from './leader-role.js';
import type { LeaderTerm } from './leader-term.js';

/** The clock is looked at again after this time at the latest, for it may have been set. */
const LOOK_MS_MAX = 60_000;
/** After a refusal of the servers. */
const RETRY_MS = 5_000;
const ERROR_LENGTH_MAX = 500;
/** Who runs a fire again that its leader did not survive does not survive it either, perhaps. */
const RUNS_MAX = 3;

/** A job that the leader of a role runs. Times are in milliseconds. */
export interface CronJobTerms {
  readonly name: string;
  readonly role: LeaderRole;
  readonly schedule: CronSchedule;
  readonly store: CronStore;
  readonly misfire: MisfirePolicy;
  /** A time that has passed by no more than this is not missed. */
  readonly lateMs: number;
  /** What becomes of a fire whose leader has gone before it said how it ended. */
  readonly interrupted: 'leave' | 'run-again';
  /** How many fires are remembered. */
  readonly history: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly body: (fire: CronFire, term: LeaderTerm) => unknown;
}

/** Somebody wants it to fire now. */
interface Asked {
  readonly resolve: (fire: CronFire) => void;
  readonly reject: (error: unknown) => void;
}

/** What is to be fired. */
interface Due {
  readonly at: Date;
  readonly missedSince: Date | null;
  /** Beside the schedule: its times are decided upon as if nothing had been. */
  readonly isByHand: boolean;
}

/**
 * Fires a job at the times of its schedule, on the leader of a role.
 *
 * Before it fires it writes that it does, in a transaction that the servers apply only while the term
 * is held; after it, how it ended. So each time is begun at most once, by whoever leads: the next
 * leader knows what was begun, what was missed, and what was never said to have ended. One fire is
 * over before the next begins.
 */
export class LeaderCronJob {
  readonly name: string;
  private readonly terms: CronJobTerms;
  private isActive = false;
  private attempts = 0;
  /** How fires ended whose end could not be written, by term and attempt. */
  private readonly unwritten = new Map<string, CronFire>();
  /** Fires that were written, as it turned out, when they might not begin any more. */
  private readonly notBegun = new Set<string>();
  private readonly asked: Asked[] = [];
  private wake: () => void = () => undefined;
  private forgetRole: () => void = () => undefined;

  constructor(terms: CronJobTerms) {
    this.terms = terms;
    this.name = terms.name;
  }

  /** When it fires. */
  get schedule(): CronSchedule {
    return this.terms.schedule;
  }

  /** Whether it fires, if this process leads. */
  get isStarted(): boolean {
    return this.isActive;
  }

  /** The schedule's next time, by this process's clock. */
  get nextAt(): Date {
    const { schedule, clock } = this.terms;
    return new Date(schedule.next(clock.wallMs()));
  }

  /** What the ensemble knows of the job; null: nothing, since nobody has led yet. */
  async record(): Promise<CronRecord | null> {
    return (await this.terms.store.read())?.record ?? null;
  }

  /** Fires from now on, whenever this process leads. */
  start(): void {
    if (this.isActive) return;
    this.isActive = true;
    let serving: Promise<void> = Promise.resolve();
    const subscription = this.terms.role.term$.subscribe((term) => {
      if (term !== null) serving = serving.then(() => this.serve(term));
    });
    this.forgetRole = () => subscription.unsubscribe();
  }

  /** Fires no more; what runs ends by itself. */
  stop(): void {
    this.isActive = false;
    this.forgetRole();
    this.wake();
  }

  /**
   * Fires now, beside the schedule, after the fire that runs. Resolves with how it ended.
   *
   * @throws {NotLeaderError} Only the leader fires, and not while the job is stopped. And why the job's
   * record cannot be read or written.
   */
  fireNow(): Promise<CronFire> {
    const { role } = this.terms;
    return new Promise((resolve, reject) => {
      this.asked.push({ resolve, reject });
      if (this.isActive && role.term !== null) this.wake();
      else this.refuseAsked();
    });
  }

  /** Fires what is due, as long as the term lasts. */
  private async serve(term: LeaderTerm): Promise<void> {
    const { log, clock } = this.terms;
    while (this.isActive && term.isOpen) {
      try {
        await this.look(term);
      } catch (error) {
        if (term.ended !== null) break;
        this.refuseAsked(error);
        log.error(`the cron job "${this.name}" cannot be fired`, { error });
        await pause(clock, RETRY_MS, term.signal);
      }
    }
    this.refuseAsked();
  }

  /** One look at the clock and the record, and what follows from it. */
  private async look(term: LeaderTerm): Promise<void> {
    const { store, schedule, clock } = this.terms;
    const stored = await store.read(term.signal);
    const nowMs = clock.wallMs();
    if (stored === null) {
      await store.write(term, { last: new Date(nowMs), history: [] }, null);
      return;
    }
    const { version } = stored;
    const { record, orphan, hasChanged } = this.settled(stored.record);
    if (orphan !== null && this.isToRunAgain(record, orphan)) {
      await this.fire(term, { record, version }, { ...orphan, isByHand: false });
    } else if (hasChanged) {
      await store.write(term, record, version);
    } else if (this.asked.length > 0) {
      await this.fireAsked(term, { record, version }, new Date(nowMs));
    } else {
      const plan = planOf(schedule, this.terms, record.last.getTime(), nowMs);
      if (plan.kind === 'wait') return this.sleep(plan.untilMs - nowMs, term);
      const missedSince = plan.missedSinceMs === null ? null : new Date(plan.missedSinceMs);
      const due = { at: new Date(plan.atMs), missedSince, isByHand: false };
      if (plan.kind === 'fire') await this.fire(term, { record, version }, due);
      else
        await store.write(term, this.with(record, this.begun(term, due, 'skipped'), due), version);
    }
  }

  private async fireAsked(term: LeaderTerm, stored: StoredRecord, at: Date): Promise<void> {
    const fire = await this.fire(term, stored, { at, missedSince: null, isByHand: true });
    if (fire !== null) this.asked.shift()?.resolve(fire);
  }

  private refuseAsked(error: unknown = this.notLeader()): void {
    for (const { reject } of this.asked.splice(0)) reject(error);
  }

  private notLeader(): NotLeaderError {
    const { name, path } = this.terms.role;
    return new NotLeaderError(name, path);
  }

  private isToRunAgain({ history }: CronRecord, orphan: CronFire): boolean {
    const { at } = orphan;
    if (this.notBegun.delete(keyOf(orphan))) return true;
    if (this.terms.interrupted !== 'run-again') return false;
    const runs = history.filter((fire) => fire.at.getTime() === at.getTime());
    return runs.length < RUNS_MAX;
  }

  /**
   * Writes that it fires, fires, and writes how that ended: all of it belongs to the term.
   *
   * @returns How it ended; null: it was not fired, look again.
   */
  private async fire(
    term: LeaderTerm,
    { record, version }: StoredRecord,
    due: Due,
  ): Promise<CronFire | null> {
    const leave = term.enter();
    try {
      const begun = this.begun(term, due, 'running');
      if (!(await this.claim(term, this.with(record, begun, due), version, begun))) return null;
      const ended = await this.runBody(begun, term);
      this.unwritten.set(keyOf(ended), ended);
      await this.writeEnd(term);
      return ended;
    } finally {
      leave();
    }
  }

  /** @returns false: it may not be fired now; look again. */
  private async claim(
    term: LeaderTerm,
    record: CronRecord,
    version: number,
    begun: CronFire,
  ): Promise<boolean> {
    const { store } = this.terms;
    this.notBegun.add(keyOf(begun));
    if (await store.write(term, record, version)) return this.mayBegin(term, begun);
    // The answer may have been lost: if our claim stands there it is ours to fire.
    const stored = await store.readNewest(term.signal);
    const isOurs = stored?.record.history.some((fire) => keyOf(fire) === keyOf(begun)) ?? false;
    if (!isOurs) this.notBegun.delete(keyOf(begun));
    return isOurs && this.mayBegin(term, begun);
  }

  private mayBegin(term: LeaderTerm, begun: CronFire): boolean {
    if (!term.isHeld) return false;
    this.notBegun.delete(keyOf(begun));
    return true;
  }

  private async runBody(begun: CronFire, term: LeaderTerm): Promise<CronFire> {
    const { body, clock, log } = this.terms;
    let error: string | null = null;
    try {
      await body(begun, term);
    } catch (thrown) {
      error = String(thrown).slice(0, ERROR_LENGTH_MAX);
      log.error(`the cron job "${this.name}" failed`, { error: thrown });
    }
    const outcome = error === null ? 'done' : 'failed';
    return { ...begun, outcome, error, endedAt: new Date(clock.wallMs()) };
  }

  /** Where the term is over nobody may write it any more: the next leader takes it for interrupted. */
  private async writeEnd(term: LeaderTerm): Promise<void> {
    const { store } = this.terms;
    try {
      for (;;) {
        const stored = await store.read();
        if (stored === null) return;
        const { record, hasChanged } = this.settled(stored.record);
        if (!hasChanged || (await store.write(term, record, stored.version))) break;
        term.assertHeld();
      }
      this.unwritten.clear();
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
    }
  }

  /**
   * A record as it is once those who left are accounted for: a fire that is said to run, and does not
   * run here, was interrupted. Fires of one job do not overlap, so nobody else runs one.
   */
  private settled(record: CronRecord): {
    readonly record: CronRecord;
    readonly orphan: CronFire | null;
    readonly hasChanged: boolean;
  } {
    const running = record.history.filter(({ outcome }) => outcome === 'running');
    const settledOf = (fire: CronFire): CronFire =>
      this.unwritten.get(keyOf(fire)) ?? { ...fire, outcome: 'interrupted' };
    const orphan = running.map(settledOf).find(({ outcome }) => outcome === 'interrupted') ?? null;
    const history = record.history.map((fire) => (running.includes(fire) ? settledOf(fire) : fire));
    return { record: { ...record, history }, orphan, hasChanged: running.length > 0 };
  }

  private begun(term: LeaderTerm, { at, missedSince }: Due, outcome: FireOutcome): CronFire {
    const startedAt = new Date(this.terms.clock.wallMs());
    const { id: by, token } = term;
    const attempt = ++this.attempts;
    return { at, outcome, by, token, attempt, startedAt, endedAt: null, error: null, missedSince };
  }

  private with({ last, history }: CronRecord, fire: CronFire, { at, isByHand }: Due): CronRecord {
    const decidedMs = isByHand ? last.getTime() : Math.max(at.getTime(), last.getTime());
    const kept = [fire, ...history].slice(0, Math.max(1, this.terms.history));
    return { last: new Date(decidedMs), history: kept };
  }

  private async sleep(forMs: number, term: LeaderTerm): Promise<void> {
    if (this.asked.length > 0 || !this.isActive) return;
    const over = new AbortController();
    const onEnd = () => over.abort();
    this.wake = onEnd;
    term.signal.addEventListener('abort', onEnd, { once: true });
    await pause(this.terms.clock, Math.min(forMs, LOOK_MS_MAX), over.signal);
    term.signal.removeEventListener('abort', onEnd);
    this.wake = () => undefined;
  }
}

function keyOf({ token, attempt }: CronFire): string {
  return `${token}/${attempt}`;
}
