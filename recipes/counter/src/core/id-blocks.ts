import { DeadlineExceededError, InvalidArgumentError } from '@aviary/client';
import type { TimeLimits } from '@aviary/coordination';
import type { AtomicCounter } from './atomic-counter.js';
import type { Exchanges } from './exchanges.js';

/** Numbers that belong to this process alone. */
export interface IdBlock {
  readonly first: bigint;
  /** The last one, inclusive. */
  readonly last: bigint;
}

/**
 * Numbers that are given out once, in blocks: one change of a counter for many numbers.
 *
 * None is given twice, whatever happens. Some are never given: what is left of a block when its process
 * ends, and blocks of which nobody knows whether they were taken. Numbers of one process grow; those of
 * several are not in the order of time.
 */
export class IdBlocks {
  readonly size: number;
  private readonly counter: AtomicCounter<bigint>;
  private readonly exchanges: Exchanges;
  private nextId = 0n;
  private lastId = -1n;
  private refilling: Promise<void> | null = null;

  /** @internal Use `CounterClient.block`. @throws {InvalidArgumentError} */
  constructor(exchanges: Exchanges, counter: AtomicCounter<bigint>, size: number) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new InvalidArgumentError(`a block has a whole number of ids from 1 up, not ${size}`);
    }
    this.exchanges = exchanges;
    this.counter = counter;
    this.size = size;
  }

  /** The counter that says which numbers are taken: the last one. */
  get path(): string {
    return this.counter.path;
  }

  /** How many numbers are left before another block is taken. */
  get left(): number {
    return Number(this.lastId - this.nextId + 1n);
  }

  /** The next number, from 1 up for a counter that began with 0. @throws as {@link take}. */
  async next(limits: TimeLimits = {}): Promise<bigint> {
    const limit = this.exchanges.limit(limits);
    while (this.left === 0) {
      // One block serves all who wait; the limits of each are for himself.
      this.refilling ??= this.refill().finally(() => (this.refilling = null));
      try {
        await limit.race(this.refilling);
      } catch (error) {
        if (!(error instanceof DeadlineExceededError) || limit.isOver) throw error;
      }
      limit.assertLeft('next', this.path);
    }
    return this.nextId++;
  }

  /**
   * A whole block, apart from those of {@link next}.
   *
   * @throws as `AtomicCounter.add`. A block that is ambiguous is left alone, and another one taken.
   */
  async take(limits: TimeLimits = {}): Promise<IdBlock> {
    const limit = this.exchanges.limit(limits);
    for (;;) {
      const rest = { waitMs: limit.restMs, signal: limit.signal };
      const { before, value, ambiguous } = await this.counter.add(BigInt(this.size), rest);
      if (!ambiguous) return { first: before + 1n, last: value };
      limit.assertLeft('take', this.path);
    }
  }

  private async refill(): Promise<void> {
    const { first, last } = await this.take();
    this.nextId = first;
    this.lastId = last;
  }
}
