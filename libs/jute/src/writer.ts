const INITIAL_BYTES = 256;

const utf8 = new TextEncoder();

/** Appends jute primitives to a buffer that grows. */
export class JuteWriter {
  /** Valid up to `position`; replaced when it grows, so do not keep it over a write. */
  bytes: Uint8Array;
  position = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.bytes = new Uint8Array(initialBytes);
  }

  /** Empties the writer and keeps its buffer. */
  clear(): void {
    this.position = 0;
  }

  /** Makes room for `length` more bytes and returns where they start; the caller fills them. */
  reserve(length: number): number {
    const start = this.position;
    const needed = start + length;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, start));
      this.bytes = grown;
    }
    this.position = needed;
    return start;
  }

  int(value: number): void {
    const at = this.reserve(4);
    this.intAt(at, value);
  }

  /** Overwrites four bytes that were reserved before: lengths that are known only afterwards. */
  intAt(at: number, value: number): void {
    const b = this.bytes;
    b[at] = value >>> 24;
    b[at + 1] = value >>> 16;
    b[at + 2] = value >>> 8;
    b[at + 3] = value;
  }

  long(value: bigint): void {
    this.int(Number((value >> 32n) & 0xffffffffn));
    this.int(Number(value & 0xffffffffn));
  }

  bool(value: boolean): void {
    const at = this.reserve(1); // first: it may replace the buffer
    this.bytes[at] = value ? 1 : 0;
  }

  /** Bytes as they are, without a length. */
  raw(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.bytes.set(value, at);
  }

  buffer(value: Uint8Array | null): void {
    if (value === null) {
      this.int(-1);
      return;
    }
    this.int(value.length);
    this.raw(value);
  }

  ustring(value: string | null): void {
    if (value === null) {
      this.int(-1);
      return;
    }
    // Three bytes per UTF-16 unit is the most that UTF-8 takes.
    const lengthAt = this.reserve(4 + value.length * 3);
    const { written } = utf8.encodeInto(value, this.bytes.subarray(lengthAt + 4));
    this.intAt(lengthAt, written);
    this.position = lengthAt + 4 + written;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.position);
  }
}
