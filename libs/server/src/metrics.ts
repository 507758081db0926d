import type { ClientPort } from './client-port.js';
import { SERVER_VERSION } from './version.js';

/** Names and values as ZooKeeper has them, without the prefix `zk_`. */
export function metrics(port: ClientPort): [string, string | number][] {
  const { latency, traffic, tree, sessions, connections, writes, syncs } = port;
  const meanSyncMs = syncs.count === 0 ? 0 : syncs.totalMs / syncs.count;
  return [
    ['version', SERVER_VERSION],
    ['server_state', port.role.mode],
    ['uptime', Math.floor(port.clock.monotonicMs() - port.startedMs)],
    ['avg_latency', rounded(latency.meanMs)],
    ['max_latency', Math.floor(latency.maxMs)],
    ['min_latency', Math.floor(latency.minMs)],
    ['packets_received', traffic.received],
    ['packets_sent', traffic.sent],
    ['num_alive_connections', connections.size],
    ['outstanding_requests', writes.outstanding],
    ['znode_count', tree.nodes.size],
    ['watch_count', tree.watches.size],
    ['watch_bytes', tree.watches.bytes],
    ['ephemerals_count', tree.ephemeralCount],
    ['approximate_data_size', tree.nodes.contentBytes],
    ['global_sessions', sessions.size],
    ['local_sessions', 0],
    ['digest_mismatches_count', port.digestMismatches],
    ['connection_rejected', port.connectionsRejected],
    ['connections_cut', port.connectionsCut],
    ['held_bytes', port.heldBytes],
    ['large_replies', port.answers.largeReplies],
    ['stale_sessions_expired', port.role.sessionsExpired],
    ['avg_fsynctime', rounded(meanSyncMs)],
    ['max_fsynctime', Math.floor(syncs.longestMs)],
    ['cnt_fsynctime', syncs.count],
    ['sum_fsynctime', Math.floor(syncs.totalMs)],
    ...port.role.figures().map(([name, value]): [string, number] => [name, value]),
    ...port.gauges(),
  ];
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
