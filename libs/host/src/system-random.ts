import { randomBytes } from 'node:crypto';
import type { Random } from '@aviary/foundation';

const POOL_BYTES = 4096;

/** The operating system's randomness, fit for secrets. */
export class SystemRandom implements Random {
  /** Bytes drawn ahead: one call to the system serves a thousand small draws. */
  private pool = Buffer.alloc(0);
  private used = 0;

  uint32(): number {
    if (this.pool.length - this.used < 4) {
      this.pool = randomBytes(POOL_BYTES);
      this.used = 0;
    }
    const value = this.pool.readUInt32BE(this.used);
    this.used += 4;
    return value;
  }

  bytes(length: number): Uint8Array {
    return randomBytes(length);
  }
}
