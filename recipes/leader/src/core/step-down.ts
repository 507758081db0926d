import { nodeName } from '@aviary/foundation';
import { ConnectionLossError, type CallOptions, type ZooKeeper } from '@aviary/client';
import type { DyingNode } from '@aviary/coordination';

/**
 * What others write into the directory of a role when its leader shall step down.
 *
 * Into the directory, since nothing must be written to the leader's own node: Curator's latch watches
 * the data of the one before it, and looks only when that is deleted. A write would use the watch up,
 * so the latch would miss the deletion, and nobody would lead.
 *
 * It names the leader's node, of which there will never be another, so what is left of it asks nobody.
 */
export function stepDownRequest(nodePath: string): string {
  return `step down: ${nodeName(nodePath)}`;
}

/**
 * Waits until the leader with this node is asked to step down. Its first read leaves in this turn.
 *
 * @param signal Ends it, and its watch.
 * @returns false: it was not asked before the signal or the end of its session.
 */
export async function whenAsked(
  zk: ZooKeeper,
  directory: string,
  node: DyingNode,
  signal: AbortSignal,
): Promise<boolean> {
  const options: CallOptions = { inSession: node.sessionId, deadlineMs: Infinity, signal };
  const request = stepDownRequest(node.path);
  for (;;) {
    try {
      const { data, watch } = await zk.getAndWatch(directory, options);
      if (data?.toString() === request) {
        watch.cancel();
        return true;
      }
      const { kind } = await watch.fired;
      if (kind !== 'dataChanged') return false;
    } catch (error) {
      // Without its directory the leader's node is gone, too, which its lease tells.
      if (!(error instanceof ConnectionLossError)) return false;
    }
  }
}
