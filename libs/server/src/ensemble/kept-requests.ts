import { copyBytes } from '@aviary/foundation';

const SLAB_BYTES = 256 * 1024;

/**
 * Bytes of requests that may have to be sent again. They are copied one behind the other into large
 * pieces of memory, each of which goes when none of its requests is kept: an array of its own would
 * cost each request more than all else that is done for it here.
 */
export class KeptRequests {
  /** Where the bytes that were kept last stand: `bytes[start..end)`. They never change. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  /** Copies `bytes[start..end)`. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.end + length > this.bytes.length) {
      this.bytes = new Uint8Array(Math.max(length, SLAB_BYTES));
      this.end = 0;
    }
    this.start = this.end;
    this.end += length;
    copyBytes(bytes, start, this.bytes, this.start, length);
  }
}
