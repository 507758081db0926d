/** What a disk writes as a whole or not at all. */
export const SECTOR_BYTES = 512;

const CHUNK_SECTORS = 128;

/** Makes sectors. They are cut from large chunks: a typed array of its own costs more than it holds. */
export class SectorPool {
  private chunk = new Uint8Array(0);
  private used = 0;

  /** A new sector of zeros. */
  zeros(): Uint8Array {
    if (this.used + SECTOR_BYTES > this.chunk.length) {
      this.chunk = new Uint8Array(CHUNK_SECTORS * SECTOR_BYTES);
      this.used = 0;
    }
    this.used += SECTOR_BYTES;
    return this.chunk.subarray(this.used - SECTOR_BYTES, this.used);
  }

  copyOf(sector: Uint8Array): Uint8Array {
    const copy = this.zeros();
    copy.set(sector);
    return copy;
  }
}
