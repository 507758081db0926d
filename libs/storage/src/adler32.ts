const MODULUS = 65521;
/** As many bytes as can be added up before the sums could leave 31 bits. */
const BLOCK_BYTES = 3584;

/** The checksum of no bytes. */
export const ADLER32_START = 1;

/**
 * Takes `bytes[start..end)` into an Adler-32 checksum and returns the new one, from 0 to 2^32 - 1.
 *
 * zlib's is to be had in Node only inside of a compressed stream.
 */
export function adler32(checksum: number, bytes: Uint8Array, start: number, end: number): number {
  let a = checksum & 0xffff;
  let b = checksum >>> 16;
  let at = start;
  while (at < end) {
    const blockEnd = Math.min(at + BLOCK_BYTES, end);
    for (const fast = blockEnd - 7; at < fast; at += 8) {
      b += a += bytes[at];
      b += a += bytes[at + 1];
      b += a += bytes[at + 2];
      b += a += bytes[at + 3];
      b += a += bytes[at + 4];
      b += a += bytes[at + 5];
      b += a += bytes[at + 6];
      b += a += bytes[at + 7];
    }
    for (; at < blockEnd; at++) b += a += bytes[at];
    a %= MODULUS;
    b %= MODULUS;
  }
  return ((b << 16) | a) >>> 0;
}
