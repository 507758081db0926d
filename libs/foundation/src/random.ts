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

/** A UUID of version 4 (RFC 9562, 5.4) out of 16 bytes of `random`, in small letters. */
export function randomUuid(random: Random): string {
  const bytes = Uint8Array.from(random.bytes(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const ends = [0, 8, 12, 16, 20, 32];
  return ends
    .slice(1)
    .map((end, at) => hex.slice(ends[at], end))
    .join('-');
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
