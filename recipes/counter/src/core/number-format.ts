import { CounterFormatError, CounterOverflowError } from './counter-errors.js';

/** How a counter keeps its number in the node, and what fits. */
export interface NumberFormat<N extends bigint | number> {
  readonly bits: number;
  readonly one: N;
  /** @throws {CounterFormatError} */
  read(data: Buffer, path: string): N;
  write(value: N): Buffer;
  /** @throws {CounterOverflowError} */
  sum(value: N, delta: N, path: string): N;
  /** Whether it can be written. */
  fits(value: N): boolean;
}

const INT64_MAX = 2n ** 63n - 1n;
const INT32_MAX = 2 ** 31 - 1;

/** Eight bytes, most significant first, signed: Curator's `DistributedAtomicLong`. Empty: 0. */
export const int64: NumberFormat<bigint> = {
  bits: 64,
  one: 1n,
  read: (data, path) => {
    if (data.length === 0) return 0n;
    if (data.length === 8) return data.readBigInt64BE();
    throw lengthError(data, 8, path);
  },
  write: (value) => {
    const data = Buffer.alloc(8);
    data.writeBigInt64BE(value);
    return data;
  },
  sum: (value, delta, path) => {
    const result = value + delta;
    if (int64.fits(result)) return result;
    throw new CounterOverflowError(path, value, result, int64.bits);
  },
  fits: (value) => typeof value === 'bigint' && value <= INT64_MAX && value >= -INT64_MAX - 1n,
};

/**
 * Four bytes, most significant first, signed: Curator's `SharedCount` and `DistributedAtomicInteger`,
 * kazoo's `Counter(support_curator=True)`. Empty: 0.
 */
export const int32: NumberFormat<number> = {
  bits: 32,
  one: 1,
  read: (data, path) => {
    if (data.length === 0) return 0;
    if (data.length === 4) return data.readInt32BE();
    throw lengthError(data, 4, path);
  },
  write: (value) => {
    const data = Buffer.alloc(4);
    data.writeInt32BE(value);
    return data;
  },
  sum: (value, delta, path) => {
    const result = value + delta;
    if (int32.fits(result)) return result;
    throw new CounterOverflowError(path, BigInt(value), BigInt(result), int32.bits);
  },
  fits: (value) => Number.isInteger(value) && value <= INT32_MAX && value >= -INT32_MAX - 1,
};

function lengthError(data: Buffer, bytes: number, path: string): CounterFormatError {
  return new CounterFormatError(path, `it holds ${data.length} bytes, and not ${bytes} or none`);
}
