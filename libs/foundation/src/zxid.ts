/**
 * A transaction id as the server keeps it: epoch × 2^32 + counter, in a double.
 *
 * Exact while the epoch is below 2^21: at one election a second, 24 days of nothing but elections;
 * at one a day, 5,700 years.
 */
export type Zxid = number;

const COUNTER_RANGE = 0x1_0000_0000;

/** The first epoch that a {@link Zxid} cannot hold exactly. */
export const ZXID_EPOCH_LIMIT = 0x20_0000;

/** A zxid from outside (disk, peer, client) has an epoch that this server cannot count in. */
export class ZxidRangeError extends Error {
  constructor(epoch: number) {
    super(
      `zxid of epoch ${epoch} is out of range: this server counts epochs below ${ZXID_EPOCH_LIMIT}; ` +
        'dump the tree and load it into a fresh ensemble',
    );
    this.name = new.target.name;
  }
}

/** The zxid of `counter` in `epoch`, both unsigned. */
export function zxidOf(epoch: number, counter: number): Zxid {
  return epoch * COUNTER_RANGE + counter;
}

/** The epoch of a zxid: which leader made it. Standalone servers count in epoch 0. */
export function zxidEpoch(zxid: Zxid): number {
  return Math.floor(zxid / COUNTER_RANGE);
}

/** The place of a zxid within its epoch, from 0 to 2^32 - 1. The first transaction has 1. */
export function zxidCounter(zxid: Zxid): number {
  return zxid >>> 0;
}

/**
 * Joins the two halves of a 64-bit zxid as it stands on the wire and on disk.
 *
 * @throws {ZxidRangeError} The epoch is {@link ZXID_EPOCH_LIMIT} or more, or the value negative.
 */
export function zxidFromHalves(high: number, low: number): Zxid {
  const epoch = high >>> 0;
  if (epoch >= ZXID_EPOCH_LIMIT) throw new ZxidRangeError(epoch);
  return epoch * COUNTER_RANGE + (low >>> 0);
}

/** Lower-case hex without leading zeros, as in file names and in ZooKeeper's own output. */
export function formatZxid(zxid: Zxid): string {
  return zxid.toString(16);
}
