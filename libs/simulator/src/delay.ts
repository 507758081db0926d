import type { SeededRandom } from './seeded-random.js';

/** How long something takes: mostly between two bounds, rarely much longer. In milliseconds. */
export interface Delay {
  readonly minMs: number;
  readonly maxMs: number;
  /** Now and then it takes up to `maxMs` more: a stall, a queue, a lost packet. */
  readonly tail?: { readonly probability: number; readonly maxMs: number };
}

/** Draws one delay, in whole microseconds. */
export function drawDelayUs(random: SeededRandom, delay: Delay): number {
  let ms = delay.minMs + random.fraction() * (delay.maxMs - delay.minMs);
  if (delay.tail !== undefined && random.chance(delay.tail.probability)) {
    ms += random.fraction() * delay.tail.maxMs;
  }
  return Math.round(ms * 1000);
}
