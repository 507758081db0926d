import { randomBelow, type Random } from '@aviary/foundation';
import { foldText, HASH_START, mixed } from './fingerprint.js';

/** Rounds after which the four words of the state no longer show what they were filled with. */
const WARM_UP_ROUNDS = 16;

/** One 32-bit word from a text; different for every `lane`. */
function hashText(text: string, lane: number): number {
  return mixed(foldText(HASH_START ^ ((lane + 1) * 0x9e37_79b1), text));
}

/**
 * Chance that repeats: the same seed gives the same numbers for ever, on every machine.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand). Not for secrets.
 */
export class SeededRandom implements Random {
  private readonly seed: string;
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number | string) {
    this.seed = String(seed);
    this.a = hashText(this.seed, 0);
    this.b = hashText(this.seed, 1);
    this.c = hashText(this.seed, 2);
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.uint32();
  }

  /**
   * A generator of its own for one consumer. It depends on the seed and the name only, not on what
   * was drawn: a new consumer does not change what the others see.
   */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${name}`);
  }

  uint32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.uint32() >>> 24;
    return bytes;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return randomBelow(this, limit);
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + randomBelow(this, max - min + 1);
  }

  /** A number from 0 (included) to 1 (excluded). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** True with `probability`, from 0 (never) to 1 (always). Draws nothing where chance has no say. */
  chance(probability: number): boolean {
    if (probability <= 0) return false;
    return probability >= 1 || this.fraction() < probability;
  }

  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}
