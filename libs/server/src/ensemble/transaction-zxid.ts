import { readInt32, zxidFromHalves, type Zxid } from '@aviary/foundation';

/** Behind the session and the xid of a transaction's header. */
const ZXID_AT = 12;

/** The zxid of the logged transaction that starts at `start`. */
export function transactionZxid(bytes: Uint8Array, start: number): Zxid {
  const at = start + ZXID_AT;
  return zxidFromHalves(readInt32(bytes, at), readInt32(bytes, at + 4));
}
