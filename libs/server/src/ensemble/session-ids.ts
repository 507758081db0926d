import type { Clock } from '@aviary/foundation';
import type { DataTree } from '@aviary/znodes';

/**
 * Gives out session ids as ZooKeeper's servers do: the server's id in the top byte, then forty bits
 * of time, then a counter. SessionTrackerImpl.initializeNextSessionId. Above every id of this server
 * that is open, whatever the clock says.
 */
export function makeSessionIds(
  serverId: number,
  clock: Clock,
  tree: DataTree,
): () => { high: number; low: number } {
  const top = BigInt(serverId) << 56n;
  let next = top | ((BigInt(Math.floor(clock.wallMs())) & 0xff_ffff_ffffn) << 16n);
  tree.sessions.forEach((_timeoutMs, high, low) => {
    const id = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    if (id >> 56n === BigInt(serverId) && id >= next) next = id + 1n;
  });
  return () => {
    const id = next++;
    return { high: Number(id >> 32n) | 0, low: Number(id & 0xffff_ffffn) | 0 };
  };
}
