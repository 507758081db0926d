import type { Subscription } from 'rxjs';
import { InvalidArgumentError } from '@aviary/client';
import { pause } from '@aviary/coordination';
import type { Clock, Log, Timer } from '@aviary/foundation';
import { issuesText, versionText, type ConfigIssue, type ConfigVersion } from './config-errors.js';
import { DocumentError } from './document-error.js';
import type { ConfigFallback, ConfigState, LiveConfig, TakenConfig } from './live-config.js';
import {
  judge,
  validate,
  type ConfigSchema,
  type Validation,
  type ValidationLimit,
} from './schema.js';
import type { ConfigSource, RawConfig } from './source.js';

/** How many validations run at the same time; of what comes meanwhile only the newest is kept. */
const VALIDATIONS_MAX = 4;
/** How long it waits after the servers refused to show the data. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

/** How the data of one configuration stand, for those who want to know how far it has come. */
export interface FeedReport {
  /** Whose value is held; null: none, or the default. */
  readonly taken: ConfigVersion | null;
  /** What the newest data were rejected for; null: they were not. */
  readonly rejected: {
    readonly version: ConfigVersion;
    readonly issues: readonly ConfigIssue[];
  } | null;
}

/** What a {@link ConfigFeed} works with. */
export interface ConfigFeedPorts<T> {
  readonly live: LiveConfig<T>;
  readonly source: ConfigSource;
  readonly schema: ConfigSchema<T> | null;
  readonly fallback: ConfigFallback<unknown>;
  readonly validationMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Versions that were published before, newest first. */
  readonly history: () => AsyncIterable<RawConfig>;
  readonly onReport: (report: FeedReport) => void;
}

/**
 * Takes data from their source to a {@link LiveConfig}: parses them, has them validated, and sees
 * to it that nothing older follows what is newer, however long validations take.
 */
export class ConfigFeed<T> {
  private readonly ports: ConfigFeedPorts<T>;
  private subscription: Subscription | null = null;
  private retry: Timer | null = null;
  private retryMs = RETRY_MS;
  private readonly stopping = new AbortController();
  /** Counts what comes from the source, in its order. */
  private arrived = 0;
  /** Up to which of them the value and the state have been told. */
  private takenAt = 0;
  private settledAt = 0;
  private taken: TakenConfig<T> | null = null;
  private rejected: FeedReport['rejected'] = null;
  private running = 0;
  private waiting: { readonly at: number; readonly raw: RawConfig } | null = null;
  private isRecovering = false;
  private isRecoveryWanted = false;
  private recoveryMs = RETRY_MS;
  /** What had come from the source when the value was taken out of the history. */
  private recoveredAt = 0;
  private hasDefault: boolean;

  constructor(ports: ConfigFeedPorts<T>) {
    this.ports = ports;
    this.hasDefault = typeof ports.fallback === 'object';
  }

  /**
   * Has the default validated, which stands in from then on. A schema that takes its time has the
   * start wait for it.
   *
   * @throws {InvalidArgumentError} It does not pass, as far as that is known at once.
   */
  takeDefault(): void {
    const { schema, fallback, live } = this.ports;
    if (typeof fallback !== 'object') return;
    const { default: value } = fallback;
    if (schema === null) {
      live.applyDefault({ kind: 'valid', value: value as T });
      return;
    }
    const verdict = judge(schema, value, this.validationLimit);
    if (verdict instanceof Promise) {
      live.applyDefault({ kind: 'awaited' });
      void verdict.then((late) => this.onDefaultJudged(late));
    } else if (verdict.kind === 'valid') live.applyDefault(verdict);
    else {
      const problem = defaultProblem(verdict.issues);
      throw new InvalidArgumentError(`the configuration ${live.path}: ${problem}`);
    }
  }

  start(): void {
    if (this.isStopped) return;
    this.subscription = this.ports.source.subscribe({
      next: (raw) => this.onData(raw),
      error: (error: unknown) => this.onRefusal(error),
      // The client was closed, so nothing will ever come any more.
      complete: () => void this.ports.live.close(),
    });
  }

  /** Nothing is told any more, and nothing is watched. */
  stop(): void {
    this.stopping.abort();
    this.waiting = null;
    this.retry?.cancel();
    this.subscription?.unsubscribe();
  }

  private get isStopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private get validationLimit(): ValidationLimit {
    const { clock, validationMs } = this.ports;
    return { clock, waitMs: validationMs, signal: this.stopping.signal };
  }

  private onDefaultJudged(verdict: Validation<T>): void {
    if (this.isStopped) return;
    const { log, live } = this.ports;
    if (verdict.kind === 'valid') {
      live.applyDefault(verdict);
      return;
    }
    const problem = defaultProblem(verdict.issues);
    log.error(`the configuration ${live.path}: ${problem}`);
    this.hasDefault = false;
    live.applyDefault({ kind: 'refused', problem });
    if (live.state.kind !== 'default') return;
    this.settle(++this.arrived, null, { kind: 'degraded', problem: { kind: 'missing' } });
  }

  private onData(raw: RawConfig | null): void {
    this.retryMs = RETRY_MS;
    const at = ++this.arrived;
    if (raw === null) this.onAbsence(at);
    else if (this.running >= VALIDATIONS_MAX) this.waiting = { at, raw };
    else void this.judge(at, raw);
  }

  /** The servers refused, which somebody may set right: an ACL that was too strict. */
  private onRefusal(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const { log, live, clock } = this.ports;
    log.error(`the configuration ${live.path} cannot be read: ${error.message}`);
    const at = ++this.arrived;
    this.settle(at, null, { kind: 'degraded', problem: { kind: 'unreadable', error } });
    this.retry = clock.setTimer(this.retryMs, () => this.start());
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX);
  }

  private onAbsence(at: number): void {
    const { log, live } = this.ports;
    this.rejected = null;
    if (this.taken === null && this.hasDefault) {
      this.settle(at, null, { kind: 'default' });
      return;
    }
    const rest = this.taken === null ? '' : `; version ${versionText(this.taken.version)} stays`;
    log.warn(`the configuration ${live.path} has no data${rest}`);
    this.settle(at, null, { kind: 'degraded', problem: { kind: 'missing' } });
    void this.recover();
  }

  private async judge(at: number, raw: RawConfig): Promise<void> {
    this.running++;
    const verdict = await this.verdictOn(raw);
    this.running--;
    if (this.isStopped) return;
    if (verdict.kind === 'valid') {
      this.onValid(at, { value: verdict.value, version: this.ascending(raw.version) });
    } else this.onInvalid(at, raw.version, verdict.issues);
    const next = this.waiting;
    this.waiting = null;
    if (next !== null) void this.judge(next.at, next.raw);
  }

  private onValid(at: number, taken: TakenConfig<T>): void {
    if (at < this.takenAt) return;
    // A version out of the history may be newer than what was still being validated then.
    const isOlder = at <= this.recoveredAt && this.isKnown(taken.version);
    if (at > this.settledAt) this.rejected = null;
    this.takenAt = at;
    this.settle(at, isOlder ? null : taken, { kind: 'current', version: taken.version });
  }

  /**
   * Whoever deletes a whole layer takes the last change of it away, of which nothing tells then;
   * what is left is newer all the same.
   */
  private ascending(version: ConfigVersion): ConfigVersion {
    const { taken } = this;
    const isTree = version.number === null;
    return isTree && taken !== null && this.isKnown(version) ? taken.version : version;
  }

  private onInvalid(at: number, version: ConfigVersion, issues: readonly ConfigIssue[]): void {
    if (at < this.settledAt) return;
    const { log, live } = this.ports;
    this.rejected = { version, issues };
    const stays = this.taken === null ? '' : ` Version ${versionText(this.taken.version)} stays.`;
    log.warn(
      `the configuration ${live.path}: version ${versionText(version)} is rejected: ` +
        `${issuesText(issues)}.${stays}`,
    );
    const problem = { kind: 'rejected', version, issues } as const;
    this.settle(at, null, { kind: 'degraded', problem });
    void this.recover();
  }

  /** Tells what became of the `at`th data; the state only if nothing newer has set it. */
  private settle(at: number, taken: TakenConfig<T> | null, state: ConfigState): void {
    if (this.isStopped) return;
    const isNewest = at > this.settledAt;
    if (isNewest) this.settledAt = at;
    if (taken !== null) this.taken = taken;
    this.ports.live.apply(taken, isNewest ? state : null);
    this.ports.onReport({ taken: this.taken?.version ?? null, rejected: this.rejected });
  }

  /**
   * Looks for a valid version in the history: to begin with, where that is asked for; and what was
   * published between the value and the data that are of no use, which nobody may have seen.
   */
  private async recover(): Promise<void> {
    if (this.taken === null && this.ports.fallback !== 'last-good') return;
    this.isRecoveryWanted = true;
    if (this.isRecovering) return;
    this.isRecovering = true;
    while (this.isRecoveryWanted && !this.isStopped) {
      this.isRecoveryWanted = false;
      await this.recoverOnce();
    }
    this.isRecovering = false;
  }

  private async recoverOnce(): Promise<void> {
    const { history, live, log, clock, onReport } = this.ports;
    try {
      for await (const raw of history()) {
        const { version } = raw;
        if (version.zxid === this.rejected?.version.zxid) continue;
        if (this.isKnown(version)) return;
        const verdict = await this.verdictOn(raw);
        if (this.isStopped || this.isKnown(version)) return;
        if (verdict.kind === 'invalid') continue;
        const verb = this.taken === null ? 'begins' : 'goes on';
        log.warn(`the configuration ${live.path} ${verb} with version ${versionText(version)}`);
        this.taken = { value: verdict.value, version };
        this.recoveredAt = this.arrived;
        live.apply(this.taken, live.state);
        onReport({ taken: version, rejected: this.rejected });
        return;
      }
    } catch (error) {
      if (this.isStopped) return;
      log.warn(`the history of the configuration ${live.path} cannot be read`, { error });
      await pause(clock, this.recoveryMs, this.stopping.signal);
      this.recoveryMs = Math.min(2 * this.recoveryMs, RETRY_MS_MAX);
      // Unless newer data made it needless meanwhile.
      if (live.state.kind === 'degraded') this.isRecoveryWanted = true;
    }
  }

  /** Whether the value is of this version, or of a newer one. */
  private isKnown({ zxid }: ConfigVersion): boolean {
    return this.taken !== null && this.taken.version.zxid >= zxid;
  }

  private async verdictOn(raw: RawConfig): Promise<Validation<T>> {
    const { schema } = this.ports;
    let data: unknown;
    try {
      data = raw.parse();
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      return { kind: 'invalid', issues: [{ path: error.field, message: error.message }] };
    }
    if (schema === null) return { kind: 'valid', value: data as T };
    return validate(schema, data, this.validationLimit);
  }
}

function defaultProblem(issues: readonly ConfigIssue[]): string {
  return `the default does not pass its schema, as data would have to: ${issuesText(issues)}`;
}
