import { isDeepStrictEqual } from 'node:util';
import {
  BehaviorSubject,
  Subject,
  defer,
  distinctUntilChanged,
  filter,
  map,
  merge,
  of,
  type Observable,
} from 'rxjs';
import { AbortedError, InvalidArgumentError } from '@aviary/client';
import type { Clock, Timer } from '@aviary/foundation';
import {
  ConfigClosedError,
  ConfigMissingError,
  ConfigNotReadyError,
  ConfigRejectedError,
  ConfigUnavailableError,
  problemText,
  type ConfigProblem,
  type ConfigVersion,
} from './config-errors.js';
import { checkWait } from './config-options.js';
import { changedPaths } from './difference.js';
import { deepFreeze } from './frozen.js';

/**
 * How a configuration stands to its data. `loading`: no answer yet. `current`: its value is what
 * the servers have. `default`: there are no data, and the default stands in, as foreseen.
 * `degraded`: what the servers have cannot be used, or was deleted; the last good value stays.
 * `closed`: not followed any more; the value stays.
 */
export type ConfigState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'current'; readonly version: ConfigVersion }
  | { readonly kind: 'default' }
  | { readonly kind: 'degraded'; readonly problem: ConfigProblem }
  | { readonly kind: 'closed' };

/** A new value in the place of another. */
export interface ConfigChange<T> {
  readonly path: string;
  readonly previous: T;
  readonly current: T;
  /** The version of `current`. */
  readonly version: ConfigVersion;
  /**
   * The fields that differ, with dots between their names (`tax.vat`, `regions.0`), as deep as both
   * values have objects or lists there.
   */
  readonly changedPaths: readonly string[];
}

/**
 * What stands in when there is no valid first value. `last-good`: the newest published version that
 * passes. `fail`: nothing, that is an error. `default`: what the schema makes of this value, which must pass
 * it as data do.
 */
export type ConfigFallback<Data> = 'last-good' | 'fail' | { readonly default: Data };

/** How long `ready` waits. */
export interface ReadyOptions {
  /** In milliseconds. Unset or Infinity: no limit. */
  readonly waitMs?: number | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link LiveConfig} is told by whoever follows the data. */
export interface LiveConfigPorts {
  readonly path: string;
  readonly fallback: ConfigFallback<unknown>;
  readonly clock: Clock;
  /** Ends the following, and resolves when nothing of it is left. */
  readonly onClose: () => Promise<void>;
}

/** A value that has passed. */
export interface TakenConfig<T> {
  readonly value: T;
  readonly version: ConfigVersion;
}

/**
 * What is known of the default. `none`: there is none. `awaited`: its schema has not answered yet.
 */
export type StandIn<T> =
  | { readonly kind: 'none' | 'awaited' }
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'refused'; readonly problem: string };

interface Held<T> {
  readonly value: T;
  /** Null: the default. */
  readonly version: ConfigVersion | null;
}

/**
 * A configuration that follows its data: what `value` gives now is valid, whole and frozen, and
 * never goes back to an older version.
 *
 * Made by `ConfigClient.watch`, or injected.
 */
export class LiveConfig<T> {
  readonly path: string;
  private readonly ports: LiveConfigPorts;
  private held: Held<T> | null = null;
  private readonly states = new BehaviorSubject<ConfigState>({ kind: 'loading' });
  private readonly standIn = new BehaviorSubject<StandIn<T>>({ kind: 'none' });
  private readonly changes = new Subject<ConfigChange<T>>();
  private readonly values = new Subject<T>();
  private closing: Promise<void> | null = null;

  /** @internal */
  constructor(ports: LiveConfigPorts) {
    this.path = ports.path;
    this.ports = ports;
  }

  /**
   * The value now: valid, deeply frozen, and all of one version. The same object until it changes,
   * so take it once where several fields must fit together.
   *
   * @throws {ConfigNotReadyError} There is none yet. Await {@link ready} first.
   */
  get value(): T {
    if (this.held !== null) return this.held.value;
    const { value: standIn } = this.standIn;
    const problem = standIn.kind === 'refused' ? standIn.problem : whyNone(this.state);
    throw new ConfigNotReadyError(this.path, problem);
  }

  /** Whether there is a value: {@link value} does not throw. Once there is, it stays so. */
  get hasValue(): boolean {
    return this.held !== null;
  }

  /** Which version {@link value} is of; null: there is no value, or it is the default. */
  get version(): ConfigVersion | null {
    return this.held?.version ?? null;
  }

  /** How the value stands to the data now. */
  get state(): ConfigState {
    return this.states.value;
  }

  /**
   * {@link state} now, and at every change. Each rejection is one, with its issues. Hot; replays
   * the latest, skips none after that, never errors, completes after `closed`.
   */
  get state$(): Observable<ConfigState> {
    return this.states.asObservable();
  }

  /**
   * Every new value in the place of another, the default included; the first value is none. Emits
   * when {@link value} has changed already. Hot; replays nothing, never errors, completes when
   * closed.
   */
  get changes$(): Observable<ConfigChange<T>> {
    return this.changes.asObservable();
  }

  /**
   * A part of the value: now, if there is a value, and whenever that part differs from what it was.
   * Never errors unless `part` throws; completes when closed.
   *
   * @example
   * cfg.select(({ tax }) => tax.vat).subscribe((vat) => ...);
   */
  select<R>(part: (value: T) => R): Observable<R> {
    return defer(() => {
      const now = this.held === null ? [] : [this.held.value];
      // Closed before: the value that stays, and the end.
      return this.closing !== null ? of(...now) : merge(of(...now), this.values);
    }).pipe(
      map((value) => part(value)),
      distinctUntilChanged((before, after) => isDeepStrictEqual(before, after)),
    );
  }

  /**
   * Waits for the first value: of the data, or what stands in for them (see {@link
   * ConfigFallback}). Resolves with it, at once if it is there. With a default it waits for the
   * first answer of the ensemble, at most `waitMs`, and fails only for the default itself.
   *
   * @throws {ConfigRejectedError} The data are not valid: at once with `fail`, else after `waitMs`.
   * @throws {ConfigMissingError} There are none; likewise.
   * @throws {ConfigUnavailableError} The ensemble did not show them within `waitMs`.
   * @throws {AbortedError} By `signal`. @throws {ConfigClosedError} Or its client was closed.
   * @throws {InvalidArgumentError} `waitMs` is no time, or the default does not pass its schema, if
   * that is one that takes its time.
   */
  async ready(options: ReadyOptions = {}): Promise<T> {
    const { waitMs = Infinity, signal } = options;
    const { path } = this;
    checkWait('ready', path, waitMs);
    const isSettled = () => {
      const { kind } = this.state;
      const { kind: standIn } = this.standIn.value;
      if (kind === 'closed' || standIn === 'refused') return true;
      if (kind === 'loading' || standIn === 'awaited') return false;
      return this.held !== null || this.ports.fallback === 'fail';
    };
    if (!isSettled()) await this.until(isSettled, waitMs, signal);
    const { value: standIn } = this.standIn;
    if (standIn.kind === 'refused') {
      throw new InvalidArgumentError(`the configuration ${path}: ${standIn.problem}`);
    }
    if (this.held !== null) return this.held.value;
    throw this.readyError(waitMs);
  }

  /** Follows the data no longer, and resolves when nothing of it is left at the servers. */
  close(): Promise<void> {
    if (this.closing !== null) return this.closing;
    this.closing = this.ports.onClose();
    this.states.next({ kind: 'closed' });
    for (const subject of [this.states, this.changes, this.values]) subject.complete();
    return this.closing;
  }

  /**
   * @internal What became of data: a value of a version that is newer than the one held, a state.
   */
  apply(taken: TakenConfig<T> | null, state: ConfigState | null): void {
    if (this.closing !== null) return;
    const before = this.held;
    const changed =
      taken === null || before === null ? [] : changedPaths(before.value, taken.value);
    // Data that say the same in other words leave the object as it is.
    const isSame = before !== null && changed.length === 0;
    if (taken !== null) {
      const value = isSame ? before.value : deepFreeze(taken.value);
      this.held = { value, version: taken.version };
    }
    if (state !== null) this.states.next(state);
    if (taken === null || isSame) return;
    const { value: current, version } = taken;
    this.values.next(current);
    if (before === null) return;
    const { path } = this;
    const { value: previous } = before;
    this.changes.next({ path, previous, current, version, changedPaths: changed });
  }

  /** @internal What has become known of the default, which stands in from when it is valid. */
  applyDefault(standIn: StandIn<T>): void {
    if (this.closing !== null) return;
    if (standIn.kind === 'valid' && this.held === null) {
      this.held = { value: deepFreeze(standIn.value), version: null };
      this.values.next(this.held.value);
    }
    this.standIn.next(standIn);
  }

  private until(
    isWanted: () => boolean,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
        subscription.unsubscribe();
        settle();
      };
      const onAbort = (): void => {
        const facts = { outcome: 'notApplied', operation: 'ready', path: this.path } as const;
        const cause: unknown = signal?.reason;
        end(() => reject(new AbortedError(`ready ${this.path}: aborted`, { ...facts, cause })));
      };
      const timer: Timer | null =
        waitMs === Infinity ? null : this.ports.clock.setTimer(waitMs, () => end(resolve));
      const news$ = merge(this.states, this.standIn).pipe(filter(isWanted));
      const subscription = news$.subscribe(() => end(resolve));
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
    });
  }

  private readyError(waitMs: number): Error {
    const { path, state, standIn } = this;
    if (standIn.value.kind === 'awaited' && state.kind !== 'closed') {
      const problem = `its schema did not answer about the default within ${waitMs} ms`;
      return new ConfigUnavailableError(path, problem);
    }
    switch (state.kind) {
      case 'closed':
        return new ConfigClosedError(path, 'ready');
      case 'degraded': {
        const { problem } = state;
        if (problem.kind === 'missing') return new ConfigMissingError(path, 'ready');
        if (problem.kind === 'rejected') {
          return new ConfigRejectedError(path, { operation: 'ready', ...problem });
        }
        return new ConfigUnavailableError(path, problemText(problem), problem.error);
      }
      default:
        return new ConfigUnavailableError(path, `the ensemble did not show it within ${waitMs} ms`);
    }
  }
}

function whyNone(state: ConfigState): string {
  if (state.kind === 'degraded') return problemText(state.problem);
  if (state.kind === 'closed') return 'it was closed before it had one';
  return 'it is still being loaded. Await ready() first';
}
