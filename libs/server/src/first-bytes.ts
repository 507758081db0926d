const HEAD_BYTES = 4;

/** Collects the first four bytes of a connection: a four-letter word, or a frame's length. */
export class FirstBytes {
  private readonly bytes = new Uint8Array(HEAD_BYTES);
  private count = 0;

  /** Takes what is missing from `bytes[start..end)`; returns where the rest starts. */
  take(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (this.count < HEAD_BYTES && at < end) this.bytes[this.count++] = bytes[at++];
    return at;
  }

  /** The four bytes; null while some are missing. */
  get head(): Uint8Array | null {
    return this.count === HEAD_BYTES ? this.bytes : null;
  }
}
