const PRIME = 0x01000193;

/**
 * A hash of the bytes of a path: FNV-1a over pairs of bytes, with a seed, and a final mix so that
 * the low bits are as good as the high ones. Each tree draws its own seed, so that nobody can
 * prepare paths that all fall together.
 *
 * Pairs, because the multiplications wait for one another. Not four bytes at once: then a second
 * word could cancel what a first has changed, whatever the seed.
 */
export function hashPath(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (const fast = end - 1; at < fast; at += 2) {
    hash = Math.imul(hash ^ (bytes[at] | (bytes[at + 1] << 8)), PRIME);
  }
  if (at < end) hash = Math.imul(hash ^ bytes[at], PRIME);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
