import { map, type Observable } from 'rxjs';
import { InvalidArgumentError, type CoordinationError } from '@aviary/client';
import type { TimeLimits } from '@aviary/coordination';
import type { ExchangePlace, Exchanges } from './exchanges.js';
import { sharedView } from './shared-view.js';
import type { Seen } from './versioned-node.js';

/** A value with what tells it from others. */
export interface VersionedValue {
  /** The bytes; empty if there is no node. */
  readonly data: Buffer;
  /** The node's version; null: there is no node. */
  readonly version: number | null;
  /** The transaction that wrote it; 0 without a node. It grows with every change. */
  readonly zxid: bigint;
}

/** What became of one change of a value. */
export interface ValueChange {
  /** Whether it was written (if not {@link ambiguous}). */
  readonly succeeded: boolean;
  /** What was there before. */
  readonly before: VersionedValue;
  /**
   * The version that the node has with what was written, or would have; null: nothing was to be
   * written, or the answer was lost that told with which one versions began anew after 2^32 changes.
   */
  readonly version: number | null;
  /**
   * Whether nobody can find out if it was written. It was written once or not at all; look before you
   * write again.
   */
  readonly ambiguous: boolean;
  /** Why it is ambiguous; null if it is not. */
  readonly cause: CoordinationError | null;
  readonly tries: number;
}

/**
 * Bytes that many processes change: Curator's `SharedValue`. Each change is written only if nobody else
 * was faster.
 */
export class SharedValue {
  /** The node. It is made by the first change, persistent, in directories that are containers. */
  readonly path: string;
  /**
   * The value now, and again after every change, with {@link VersionedValue.zxid} growing.
   *
   * Shared and replaying, as `AtomicCounter.value$`.
   */
  readonly value$: Observable<VersionedValue>;
  private readonly exchanges: Exchanges;
  private readonly place: ExchangePlace;

  /** @internal Use `CounterClient`. */
  constructor(exchanges: Exchanges, place: ExchangePlace) {
    this.exchanges = exchanges;
    this.place = place;
    this.path = place.path;
    this.value$ = sharedView(
      exchanges.zk.watchNode(place.path).pipe(
        map((node) => {
          return valueOf(node === null ? null : { data: node.data ?? NOTHING, stat: node.stat });
        }),
      ),
    );
  }

  /** The value, as the server knows it that answers. */
  async get(limits: TimeLimits = {}): Promise<VersionedValue> {
    return valueOf(await this.exchanges.node(this.path).read(this.exchanges.limit(limits)));
  }

  /** Writes `data`, whatever was there. @throws as `AtomicCounter.add`: nothing was written. */
  async set(data: Uint8Array | string, limits: TimeLimits = {}): Promise<ValueChange> {
    const bytes = this.bytesOf(data);
    return this.update(() => bytes, limits);
  }

  /**
   * Writes `data` if the value still is what was `seen`: nobody wrote since, not even the same bytes.
   *
   * @throws as `AtomicCounter.add`: nothing was written.
   */
  async trySet(
    seen: VersionedValue,
    data: Uint8Array | string,
    limits: TimeLimits = {},
  ): Promise<ValueChange> {
    const bytes = this.bytesOf(data);
    const { zxid } = seen;
    return this.update((now) => (now.zxid === zxid ? bytes : null), limits);
  }

  /**
   * Writes what `compute` makes of the value.
   *
   * @param compute Called again when somebody else was faster. null: leave it as it is.
   * @throws as `AtomicCounter.add`, and what `compute` throws: nothing was written.
   */
  async update(
    compute: (now: VersionedValue) => Uint8Array | string | null,
    limits: TimeLimits = {},
  ): Promise<ValueChange> {
    const change = await this.exchanges.change(this.place, limits, (seen) => {
      const wanted = compute(valueOf(seen));
      return wanted === null ? null : this.bytesOf(wanted);
    });
    const { seen, data, version, ambiguity, tries } = change;
    return {
      succeeded: data !== null,
      before: valueOf(seen),
      version,
      ambiguous: ambiguity !== null,
      cause: ambiguity,
      tries,
    };
  }

  /** A copy, since the caller may change his while it waits for its turn or for a connection. */
  private bytesOf(data: Uint8Array | string): Buffer {
    if (typeof data === 'string') return Buffer.from(data);
    if (data instanceof Uint8Array) return Buffer.from(data);
    throw new InvalidArgumentError(
      `${this.path}: the bytes of a value must be a string or a Uint8Array, not ${String(data)}`,
    );
  }
}

const NOTHING = Buffer.alloc(0);

function valueOf(seen: Seen): VersionedValue {
  if (seen === null) return { data: NOTHING, version: null, zxid: 0n };
  const { version, mzxid } = seen.stat;
  return { data: seen.data, version, zxid: mzxid };
}
