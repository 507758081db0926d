import { map, type Observable } from 'rxjs';
import { InvalidArgumentError, type CoordinationError } from '@aviary/client';
import type { TimeLimits } from '@aviary/coordination';
import { CounterOverflowError } from './counter-errors.js';
import type { ExchangePlace, Exchanges } from './exchanges.js';
import type { NumberFormat } from './number-format.js';
import { sharedView } from './shared-view.js';
import type { Seen } from './versioned-node.js';

/** What one change of a counter has brought. */
export interface CounterChange<N extends bigint | number> {
  /** What the counter had before. */
  readonly before: N;
  /** What it has since; if {@link ambiguous}: what it has had, if the change was applied. */
  readonly value: N;
  /**
   * Whether nobody can find out if the change was applied: the connection broke before the answer,
   * and the session, or the time of the call, ended before anybody could look. It was applied once
   * or not at all; to repeat it may double it.
   */
  readonly ambiguous: boolean;
  /** Why it is ambiguous; null if it is not. */
  readonly cause: CoordinationError | null;
  /** How many tries it took; more than one: others changed it at the same time. */
  readonly tries: number;
}

/** What became of an exchange of one expected value for another. */
export interface CounterExchange<N extends bigint | number> extends CounterChange<N> {
  /** Whether the counter had the expected value, so that it was changed (if not ambiguous). */
  readonly succeeded: boolean;
}

/**
 * A number that many processes change, each change once: read, and written back if nobody else was
 * faster. It costs two round trips without contention.
 *
 * A change that could not be found out about is a result, with `ambiguous: true`. Whatever is thrown
 * left no change behind. Times are in milliseconds: `waitMs` limits a call over all of its tries, whatever
 * happens to connections and sessions meanwhile.
 */
export class AtomicCounter<N extends bigint | number> {
  /** The node. It is made by the first change, persistent, in directories that are containers. */
  readonly path: string;
  /**
   * The value now, and again after every change; 0 while there is no node.
   *
   * Shared: all subscribers of this object stand on one watch. Replays the latest value. Values in between
   * may be skipped, the newest never is, also if it came while there was no connection, and
   * none is older than one before. Errors with {@link CounterFormatError} and refusals of
   * the server, and can be subscribed to again: `value$.pipe(retry({ delay: 1_000 }))` goes on when that is
   * set right. Completes when the client is closed.
   */
  readonly value$: Observable<N>;
  private readonly exchanges: Exchanges;
  private readonly place: ExchangePlace;
  private readonly format: NumberFormat<N>;

  /** @internal Use `CounterClient`. */
  constructor(exchanges: Exchanges, place: ExchangePlace, format: NumberFormat<N>) {
    this.exchanges = exchanges;
    this.place = place;
    this.format = format;
    this.path = place.path;
    this.value$ = sharedView(
      exchanges.zk.watchNode(place.path).pipe(map((node) => this.valueOf(node))),
    );
  }

  /** The value, as the server knows it that answers; 0 if there is no node. */
  async get(limits: TimeLimits = {}): Promise<N> {
    return this.valueOf(await this.exchanges.node(this.path).read(this.exchanges.limit(limits)));
  }

  /**
   * Adds `delta`, which may be negative.
   *
   * @throws {CounterOverflowError} The sum does not fit.
   * @throws {InvalidArgumentError} It is no whole number, or of the wrong type.
   * @throws {CounterContendedError} Others were faster, each time.
   * @throws {VersionSpentError} @throws {CounterFormatError} @throws {CountersClosedError}
   * @throws {DeadlineExceededError} @throws {AbortedError} and others of the client: in every case
   * nothing was changed.
   */
  async add(delta: N, limits: TimeLimits = {}): Promise<CounterChange<N>> {
    this.assertFits(delta);
    return this.change(limits, (before) => this.format.sum(before, delta, this.path));
  }

  /** Sets the value, whatever it was; the change says what it was. @throws as {@link add}. */
  async set(value: N, limits: TimeLimits = {}): Promise<CounterChange<N>> {
    this.assertFits(value);
    return this.change(limits, () => value);
  }

  /**
   * Sets the value if it is `expected`. A counter without a node has 0.
   *
   * @throws as {@link add}.
   */
  async compareAndSet(expected: N, value: N, limits: TimeLimits = {}): Promise<CounterExchange<N>> {
    this.assertCounts(expected);
    this.assertFits(value);
    const change = await this.change(limits, (before) => (before === expected ? value : null));
    return { ...change, succeeded: change.before === expected };
  }

  /** Creates the counter with a value, if it has no node. @throws as {@link add}. */
  async initialize(value: N, limits: TimeLimits = {}): Promise<CounterExchange<N>> {
    this.assertFits(value);
    const data = this.format.write(value);
    const { seen, ambiguity, tries } = await this.exchanges.change(this.place, limits, (node) =>
      node === null ? data : null,
    );
    const before = this.valueOf(seen);
    const facts = { before, ambiguous: ambiguity !== null, cause: ambiguity, tries };
    return { ...facts, value: seen === null ? value : before, succeeded: seen === null };
  }

  private async change(
    limits: TimeLimits,
    compute: (before: N) => N | null,
  ): Promise<CounterChange<N>> {
    let before = this.valueOf(null);
    let value = before;
    const { ambiguity, tries } = await this.exchanges.change(this.place, limits, (seen) => {
      before = this.valueOf(seen);
      const wanted = compute(before);
      value = wanted ?? before;
      return wanted === null ? null : this.format.write(wanted);
    });
    return { before, value, ambiguous: ambiguity !== null, cause: ambiguity, tries };
  }

  private valueOf(seen: Seen | { readonly data: Buffer | null } | null): N {
    return this.format.read(seen?.data ?? Buffer.alloc(0), this.path);
  }

  private assertFits(value: N): void {
    if (this.format.fits(value)) return;
    this.assertCounts(value);
    throw new CounterOverflowError(this.path, 0n, BigInt(value), this.format.bits);
  }

  /** For callers without types: 1 and 1n are easily confused. */
  private assertCounts(value: unknown): void {
    const { bits, one } = this.format;
    const type = typeof one;
    if (typeof value === type && (type === 'bigint' || Number.isInteger(value))) return;
    const such = type === 'bigint' ? 'of type bigint, such as 1n' : 'such as 1';
    throw new InvalidArgumentError(
      `${this.path}: a counter of ${bits} bits counts whole numbers ${such}, ` +
        `not the ${typeof value} ${String(value)}`,
    );
  }
}
