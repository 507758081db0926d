import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  TransactionFailedError,
} from '@aviary/client';
import { childPath } from '@aviary/foundation';
import type { TimeLimit } from '@aviary/coordination';
import type { ItemName } from './item-names.js';
import type { QueueTerms } from './queue-terms.js';

/** An item that was taken out of its queue. */
export interface TakenOut {
  readonly item: ItemName;
  readonly data: Buffer;
  readonly czxid: bigint;
}

/**
 * Reads an item and deletes it: who deletes it has it. null: somebody else was faster.
 *
 * @throws with outcome `unknown`: it may have been deleted, and then nobody has it.
 */
export async function takeOut(
  { zk, path, receipts }: QueueTerms,
  item: ItemName,
  limit: TimeLimit,
): Promise<TakenOut | null> {
  const itemPath = childPath(path, item.name);
  try {
    const { data, stat } = await zk.get(itemPath, limit.rest());
    const { version, czxid } = stat;
    if (receipts === null) {
      await zk.delete(itemPath, { version, ...limit.rest() });
    } else {
      const terms = { waitMs: limit.restMs, signal: limit.signal };
      await receipts.commit(() => zk.transaction().delete(itemPath, { version }), terms);
    }
    return { item, data: data ?? Buffer.alloc(0), czxid };
  } catch (error) {
    const refusal = error instanceof TransactionFailedError ? error.cause : error;
    if (refusal instanceof NoNodeError || refusal instanceof BadVersionError) return null;
    if (refusal instanceof ConnectionLossError && refusal.outcome === 'notApplied') return null;
    throw refusal;
  }
}
