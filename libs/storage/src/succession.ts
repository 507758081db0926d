import { zxidCounter, zxidEpoch, type Zxid } from '@aviary/foundation';

/** Whether a transaction can follow another: the next of the epoch, or the first of a later one. */
export function canFollow(zxid: Zxid, last: Zxid): boolean {
  if (zxid === last + 1) return true;
  return zxidEpoch(zxid) > zxidEpoch(last) && zxidCounter(zxid) === 1;
}
