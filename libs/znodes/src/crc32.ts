const POLYNOMIAL = 0xedb88320;
const SLICES = 8;

/** Eight tables of 256: table k gives the effect of a byte that k more bytes follow. */
const tables = buildTables();

function buildTables(): Int32Array {
  const built = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    built[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < SLICES; slice++) {
      const shorter = built[(slice - 1) * 256 + byte];
      built[slice * 256 + byte] = (shorter >>> 8) ^ built[shorter & 0xff];
    }
  }
  return built;
}

/** The state of a CRC-32 before any byte. */
export const CRC32_START = -1;

/**
 * Takes `bytes[start..end)` into the state of a CRC-32 (IEEE, as in zlib) and returns the new state.
 * The checksum is {@link crc32Value} of the state after the last byte.
 *
 * zlib's own costs a call into native code and a view each time, which for the hundred bytes of a
 * node is several times this loop.
 */
export function crc32Update(state: number, bytes: Uint8Array, start: number, end: number): number {
  const t = tables;
  let crc = state;
  let at = start;
  for (const fast = end - 7; at < fast; at += 8) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc =
      t[1792 + (crc & 0xff)] ^
      t[1536 + ((crc >>> 8) & 0xff)] ^
      t[1280 + ((crc >>> 16) & 0xff)] ^
      t[1024 + (crc >>> 24)] ^
      t[768 + bytes[at + 4]] ^
      t[512 + bytes[at + 5]] ^
      t[256 + bytes[at + 6]] ^
      t[bytes[at + 7]];
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]) & 0xff];
  return crc;
}

/** The checksum of a state, from 0 to 2^32 - 1. */
export function crc32Value(state: number): number {
  return ~state >>> 0;
}
