const MODULUS = 65521;
/** So many words can be summed in lanes of 16 bits: 22 bytes of 255 sum up to sums of 64,515. */
const BLOCK_WORDS = 22;
/** As many bytes as can be added up before the sums could leave 31 bits. */
const BLOCK_BYTES = 3584;
const LANES = 0x00ff_00ff;

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** The checksum of no bytes. */
export const ADLER32_START = 1;

/** The memory that was looked at last, as words: records come one after the other from one batch. */
let words: Int32Array = new Int32Array(0);

/**
 * Takes `bytes[start..end)` into an Adler-32 checksum and returns the new one, from 0 to 2^32 - 1.
 *
 * zlib's is to be had in Node only inside of a compressed stream. Four bytes are taken at once, in
 * lanes of 16 bits: every write is summed here, and every snapshot whole.
 */
export function adler32(checksum: number, bytes: Uint8Array, start: number, end: number): number {
  const { buffer, byteOffset } = bytes;
  if (words.buffer !== buffer) words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
  let a = checksum & 0xffff;
  let b = checksum >>> 16;
  let at = start;
  // Words stand where the memory says, not where the array starts.
  const wordsAt = isLittleEndian ? Math.min(start + (-(byteOffset + start) & 3), end) : start;
  while (at < wordsAt) b += a += bytes[at++];
  let word = (byteOffset + at) >>> 2;
  const wordEnd = isLittleEndian ? word + ((end - at) >>> 2) : word;
  at += (wordEnd - word) * 4;
  while (word < wordEnd) {
    const count = Math.min(BLOCK_WORDS, wordEnd - word);
    // `even` and `odd` sum bytes 0 and 2, 1 and 3 of the words; `evens` and `odds` sum those sums, so
    // that a byte counts there once for each word from its own to the last.
    let even = 0;
    let odd = 0;
    let evens = 0;
    let odds = 0;
    for (const stop = word + count; word < stop; word++) {
      const four = words[word];
      even = (even + (four & LANES)) | 0;
      odd = (odd + ((four >>> 8) & LANES)) | 0;
      evens = (evens + even) | 0;
      odds = (odds + odd) | 0;
    }
    // A byte counts four times for each of those words, less one for each that stands before it in
    // its own.
    const sums = (evens & 0xffff) + (evens >>> 16) + (odds & 0xffff) + (odds >>> 16);
    const before = 2 * (even >>> 16) + (odd & 0xffff) + 3 * (odd >>> 16);
    b = (b + 4 * (count * a + sums) - before) % MODULUS;
    a = (a + (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16)) % MODULUS;
  }
  do {
    for (const stop = Math.min(at + BLOCK_BYTES, end); at < stop;) b += a += bytes[at++];
    a %= MODULUS;
    b %= MODULUS;
  } while (at < end);
  return ((b << 16) | a) >>> 0;
}
