import {
  ZXID_EPOCH_LIMIT,
  ZxidRangeError,
  readInt32,
  writeInt32,
  type Zxid,
} from '@aviary/foundation';
import { PeerWireError } from './peer-wire-error.js';

const HALF_RANGE = 0x1_0000_0000;

/** The least number of 64 bits, Java's `Long.MIN_VALUE`: a power of two, so exact in a double. */
export const INT64_MIN = -(2 ** 63);

/**
 * The signed 64-bit number at `bytes[at..at+8)`: exact if it is a safe integer or {@link INT64_MIN},
 * else the nearest double, which is neither.
 */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * HALF_RANGE + (readInt32(bytes, at + 4) >>> 0);
}

/** Writes a safe integer or {@link INT64_MIN} as 64 bits. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / HALF_RANGE));
  writeInt32(bytes, at + 4, value);
}

/**
 * A zxid as packets carry it: -1 stands for none.
 *
 * @throws {PeerWireError} The epoch is one that this server cannot count in.
 */
export function readZxid(bytes: Uint8Array, at: number): Zxid {
  const high = readInt32(bytes, at);
  if (high === -1 && readInt32(bytes, at + 4) === -1) return -1;
  const epoch = high >>> 0;
  if (epoch >= ZXID_EPOCH_LIMIT) throw new PeerWireError(new ZxidRangeError(epoch).message);
  return readInt64(bytes, at);
}

/**
 * The id of a server.
 *
 * @throws {PeerWireError} It is beyond 2^53 - 1, on either side of zero.
 */
export function readServerId(bytes: Uint8Array, at: number): number {
  const id = readInt64(bytes, at);
  if (!Number.isSafeInteger(id)) {
    throw new PeerWireError(
      `server id ${id} is out of range: this server counts to ${Number.MAX_SAFE_INTEGER}; ` +
        'give that server a smaller id in its myid file and in its server line',
    );
  }
  return id;
}
