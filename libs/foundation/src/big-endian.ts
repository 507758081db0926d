const HALF_RANGE = 0x1_0000_0000;

/** The signed 32-bit number at `bytes[at..at+4)`, most significant byte first. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** Writes the low 32 bits of `value` at `bytes[at..at+4)`, most significant byte first. */
export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes a non-negative integer below 2^53 as 64 bits: a zxid or a time. */
export function writeUint53(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, (value / HALF_RANGE) | 0);
  writeInt32(bytes, at + 4, value | 0);
}

/** Reads 64 bits that hold an integer below 2^53, such as a time that was written by us. */
export function readUint53(bytes: Uint8Array, at: number): number {
  return (readInt32(bytes, at) >>> 0) * HALF_RANGE + (readInt32(bytes, at + 4) >>> 0);
}

/** Up to this length a loop beats the view and the call that a bulk copy costs (measured: 48). */
const LOOP_COPY_BYTES_MAX = 48;

/** Copies `length` bytes between two arrays; they must not overlap. */
export function copyBytes(
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  length: number,
): void {
  if (length > LOOP_COPY_BYTES_MAX) {
    to.set(from.subarray(fromAt, fromAt + length), toAt);
    return;
  }
  let i = 0;
  for (const fast = length - 3; i < fast; i += 4) {
    to[toAt + i] = from[fromAt + i];
    to[toAt + i + 1] = from[fromAt + i + 1];
    to[toAt + i + 2] = from[fromAt + i + 2];
    to[toAt + i + 3] = from[fromAt + i + 3];
  }
  for (; i < length; i++) to[toAt + i] = from[fromAt + i];
}
