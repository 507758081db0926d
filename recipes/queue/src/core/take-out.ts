import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  NodeExistsError,
  NotEmptyError,
  TransactionFailedError,
  type Transaction,
  type TransactionResult,
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

type Steps = Transaction<TransactionResult[]>;

/**
 * Reads an item and deletes it: who deletes it has it. null: somebody else was faster, or works on it.
 *
 * It is not enough that nobody has claimed it when it is listed: in the transaction that deletes it stands a
 * claim, too, which is refused where there is one.
 *
 * @param isForced Also if somebody works on it: his claim is worth nothing then.
 * @throws with outcome `unknown`: it may have been deleted, and then nobody has it.
 */
export async function takeOut(
  terms: QueueTerms,
  item: ItemName,
  limit: TimeLimit,
  isForced = false,
): Promise<TakenOut | null> {
  const { zk, path, lockPath } = terms;
  const itemPath = childPath(path, item.name);
  const claimPath = childPath(lockPath, item.name);
  for (;;) {
    try {
      const [{ data, stat }, claims] = await Promise.all([
        zk.get(itemPath, limit.rest()),
        isForced ? null : zk.exists(lockPath, limit.rest()),
      ]);
      // Below a dead letter stands what became of it.
      const below =
        stat.numChildren === 0 ? [] : (await zk.children(itemPath, limit.rest())).children;
      const { version, czxid } = stat;
      await remove(terms, limit, (steps) => {
        let all = steps;
        // Without a directory there are no claims, and those that come change the version.
        if (claims !== null) all = all.create(claimPath).delete(claimPath);
        for (const name of below) all = all.delete(childPath(itemPath, name));
        return all.delete(itemPath, { version });
      });
      return { item, data: data ?? Buffer.alloc(0), czxid };
    } catch (error) {
      const refusal = error instanceof TransactionFailedError ? error.cause : error;
      // The directory is a container, and went because it was empty.
      const isDirectory = refusal instanceof NoNodeError && refusal.path === claimPath;
      if (isDirectory) continue;
      if (isChanged(refusal)) return null;
      if (refusal instanceof ConnectionLossError && refusal.outcome === 'notApplied') return null;
      throw refusal;
    }
  }
}

/** Applies what `build` collects, with a receipt if there are some. */
async function remove(
  { zk, receipts }: QueueTerms,
  limit: TimeLimit,
  build: (steps: Steps) => Steps,
): Promise<void> {
  const make = (): Steps => build(zk.transaction());
  if (receipts === null) await make().commit(limit.rest());
  else await receipts.commit(make, { waitMs: limit.restMs, signal: limit.signal });
}

function isChanged(refusal: unknown): boolean {
  return (
    refusal instanceof NoNodeError ||
    refusal instanceof BadVersionError ||
    refusal instanceof NodeExistsError ||
    refusal instanceof NotEmptyError
  );
}
