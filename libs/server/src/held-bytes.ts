/** Bytes of a connection that cannot be taken yet, in the order in which they came. */
export class HeldBytes {
  private bytes: Uint8Array | null = null;

  get length(): number {
    return this.bytes?.length ?? 0;
  }

  /** Keeps a copy of `bytes[start..end)`, behind what is kept already. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    const before = this.bytes;
    if (before === null) {
      this.bytes = bytes.slice(start, end);
      return;
    }
    const both = new Uint8Array(before.length + end - start);
    both.set(before);
    both.set(bytes.subarray(start, end), before.length);
    this.bytes = both;
  }

  /** Everything that is kept, which then is no more; null: nothing is. */
  take(): Uint8Array | null {
    const { bytes } = this;
    this.bytes = null;
    return bytes;
  }
}
