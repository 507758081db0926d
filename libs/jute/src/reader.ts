import { JuteError } from './error.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads jute primitives from `bytes[position..end)`, moving `position` forward.
 *
 * Every read is checked against the end, and every length and count against the bytes that remain,
 * before anything is allocated. After a {@link JuteError} the position is unspecified.
 */
export class JuteReader {
  bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Starts over on other bytes, so that one reader serves many frames. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    return this;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves over `length` bytes and returns where they start. */
  skip(length: number): number {
    const start = this.position;
    if (length > this.end - start) {
      throw new JuteError(`need ${length} bytes, ${this.end - start} remain`);
    }
    this.position = start + length;
    return start;
  }

  int(): number {
    const at = this.skip(4);
    const b = this.bytes;
    return (b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3];
  }

  long(): bigint {
    const high = this.int();
    const low = this.int();
    return (BigInt(high) << 32n) | BigInt(low >>> 0);
  }

  /** Any byte but zero is true, as in the reference. */
  bool(): boolean {
    return this.bytes[this.skip(1)] !== 0;
  }

  /** The length of a buffer or string: -1 for null, else at most what remains. */
  length(): number {
    const length = this.int();
    if (length < -1) throw new JuteError(`negative length ${length}`);
    if (length > this.remaining) {
      throw new JuteError(`length ${length} is beyond the ${this.remaining} bytes that remain`);
    }
    return length;
  }

  /** A copy of the bytes; null and empty are different values. */
  buffer(): Uint8Array | null {
    const length = this.length();
    if (length < 0) return null;
    const start = this.skip(length);
    // Not `bytes.slice`: on a Buffer, which a socket reads into, that is a view and no copy.
    return Uint8Array.prototype.slice.call(this.bytes, start, start + length);
  }

  /** A string; null and empty are different values. Bytes that are not UTF-8 are refused. */
  ustring(): string | null {
    const length = this.length();
    if (length < 0) return null;
    const start = this.skip(length);
    return decodeUtf8(this.bytes, start, start + length);
  }

  /**
   * The number of elements of a vector, -1 for null.
   *
   * @param elementBytesMin The fewest bytes that one element takes: bounds the count by the frame.
   */
  count(elementBytesMin: number): number {
    const count = this.int();
    if (count < -1) throw new JuteError(`negative count ${count}`);
    if (count * elementBytesMin > this.remaining) {
      throw new JuteError(`count ${count} is beyond the ${this.remaining} bytes that remain`);
    }
    return count;
  }
}

/**
 * The text whose UTF-8 form is `bytes[start..end)`. A byte order mark is kept: it is part of the text.
 *
 * @throws {JuteError} The bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    // TextDecoder throws a TypeError at the first byte that is not UTF-8, maybe that of another
    // realm, so it cannot be told by its class; there is no other cause.
    throw new JuteError('string is not UTF-8');
  }
}
