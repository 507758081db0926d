import { ConnectionLossError, NoNodeError, type CallOptions, type ZooKeeper } from '@aviary/client';

/** A node of one session, that nobody else is expected to touch. */
export interface OwnNode {
  readonly path: string;
  readonly sessionId: bigint;
}

/**
 * Waits until somebody else touches a node of ours. Its first read leaves in this turn.
 *
 * One data watch at a time, re-armed by the read that looks what the last one meant. Resolves with
 * `over` when there is nothing more to see: the session is over, the client closed, `signal` aborted.
 */
export async function whenTouched(
  zk: ZooKeeper,
  node: OwnNode,
  signal: AbortSignal,
): Promise<'deleted' | 'written' | 'over'> {
  const options: CallOptions = { inSession: node.sessionId, deadlineMs: Infinity, signal };
  for (;;) {
    try {
      const { stat, watch } = await zk.getAndWatch(node.path, options);
      // Created at version 0 by us; only others write to it.
      if (stat.version !== 0) return 'written';
      const event = await watch.fired;
      if (event.kind === 'deleted') return 'deleted';
      if (event.kind !== 'dataChanged') return 'over';
    } catch (error) {
      if (error instanceof NoNodeError) return 'deleted';
      if (!(error instanceof ConnectionLossError)) return 'over';
    }
  }
}
