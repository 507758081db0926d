/**
 * A session id as people and ZooKeeper's tools write it: `0x` and unsigned hex. Ids made by servers
 * with an id of 128 or more are negative as signed 64-bit numbers.
 */
export function formatSessionId(sessionId: bigint): string {
  return `0x${BigInt.asUintN(64, sessionId).toString(16)}`;
}
