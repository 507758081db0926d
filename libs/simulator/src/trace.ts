import { foldBytes, foldText, HASH_START, mixed } from './fingerprint.js';

/**
 * What happened, as one number and, if somebody listens, as lines.
 *
 * Two runs that happened alike have the same hash; the first line in which two traces differ is
 * where the code under test looked at something that is not a function of the seed.
 */
export class Trace {
  private readonly sink: ((line: string) => void) | null;
  private low = HASH_START;
  private high = 0;

  constructor(sink: ((line: string) => void) | null) {
    this.sink = sink;
  }

  /** Notes that at `atUs` something of `kind` happened to `subject`. */
  note(atUs: number, kind: string, subject: string, value: number): void {
    this.low = foldText(foldText(this.low, kind), subject);
    this.foldNumber(atUs);
    this.foldNumber(value);
    this.sink?.(`${(atUs / 1000).toFixed(3)} ms  ${kind} ${subject} ${value}`);
  }

  /** Makes a number part of the hash, without a line. */
  mix(value: number): void {
    this.foldNumber(value);
  }

  /** Makes the contents of `bytes[start..end)` part of the hash. */
  noteBytes(bytes: Uint8Array, start: number, end: number): void {
    this.low = foldBytes(this.low, bytes, start, end);
    this.foldNumber(end - start);
  }

  /** Of everything up to now: 16 hex digits. */
  get hash(): string {
    const digits = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
    return digits(this.high) + digits(this.low);
  }

  private foldNumber(value: number): void {
    const upper = Math.trunc(value / 0x1_0000_0000);
    this.low = mixed(this.low ^ (value | 0));
    this.high = mixed(((this.high ^ this.low) + upper) | 0);
  }
}
