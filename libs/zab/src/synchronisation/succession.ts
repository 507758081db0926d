import { zxidCounter, zxidEpoch, type Zxid } from '@aviary/foundation';

/**
 * Whether a transaction may stand directly behind `previous` in a history: the next of the same
 * epoch, or the first of a later one.
 *
 * ZooKeeper's followers take any first transaction of a later epoch. A leader whose cache has lost
 * the beginning of an epoch then leaves a hole nobody notices (ZOOKEEPER-4925).
 */
export function succeeds(zxid: Zxid, previous: Zxid): boolean {
  const counter = zxidCounter(zxid);
  if (zxid === previous + 1) return counter !== 0;
  return counter === 1 && zxidEpoch(zxid) > zxidEpoch(previous);
}

/** Whether a zxid names the beginning of an epoch and no transaction. */
export function isEpochStart(zxid: Zxid): boolean {
  return zxidCounter(zxid) === 0;
}
