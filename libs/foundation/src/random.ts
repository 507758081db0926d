/** Randomness, as a port: the system's in production, seeded in the simulator. */
export interface Random {
  /** A uniformly distributed integer from 0 to 2^32 - 1. */
  uint32(): number;

  /** `length` random bytes, fit for secrets when the host is the system's. */
  bytes(length: number): Uint8Array;
}

/** A uniformly distributed integer from 0 to `limit` - 1; `limit` is from 1 to 2^32. */
export function randomBelow(random: Random, limit: number): number {
  // A multiply and shift would need 64 bits; the bias of a plain scale is below 2^-20 for our limits.
  return Math.floor((random.uint32() / 0x1_0000_0000) * limit);
}

/** Puts `items` into a random order, in place (Fisher-Yates), and returns them. */
export function shuffle<T>(random: Random, items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = randomBelow(random, last + 1);
    const held = items[last];
    items[last] = items[other];
    items[other] = held;
  }
  return items;
}
