const PRIME = 0x01000193;

/**
 * A hash of the bytes of a path: FNV-1a with a seed, and a final mix so that the low bits are as
 * good as the high ones. Each tree draws its own seed, so that nobody can prepare paths that all
 * fall together.
 */
export function hashPath(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], PRIME);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
