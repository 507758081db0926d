import { randomBytes } from 'node:crypto';
import type { Random } from '@aviary/foundation';

const POOL_BYTES = 4096;
/** What is longer is not drawn from the pool. */
const POOLED_BYTES_MAX = 64;

/** The operating system's randomness, fit for secrets. */
export class SystemRandom implements Random {
  /** Bytes drawn ahead: one call to the system serves many small draws. None is given out twice. */
  private pool = Buffer.alloc(0);
  private used = 0;

  uint32(): number {
    // First: it may replace the pool.
    const start = this.draw(4);
    return this.pool.readUInt32BE(start);
  }

  bytes(length: number): Uint8Array {
    if (length > POOLED_BYTES_MAX) return randomBytes(length);
    const start = this.draw(length);
    // A copy: who got earlier bytes must not hold those of others.
    return Uint8Array.prototype.slice.call(this.pool, start, start + length);
  }

  /** Where in the pool the next bytes begin. */
  private draw(length: number): number {
    if (this.pool.length - this.used < length) {
      this.pool = randomBytes(POOL_BYTES);
      this.used = 0;
    }
    const start = this.used;
    this.used += length;
    return start;
  }
}
