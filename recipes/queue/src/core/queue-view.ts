import type { CallOptions } from '@aviary/client';
import { childPath } from '@aviary/foundation';
import { itemsInOrder } from './item-names.js';
import { nullIfGone } from './null-if-gone.js';
import type { QueueTerms } from './queue-terms.js';

/** One item, for operators. */
export interface ItemView {
  /** Its node. */
  readonly path: string;
  /** Since when it is there, by the servers' clock. */
  readonly since: Date;
  /** How often it was claimed or tried again. */
  readonly attempts: number;
  /** Who works on it, as he wrote it; null: nobody. */
  readonly consumer: string | null;
}

/** A queue at one moment. */
export interface QueueView {
  readonly path: string;
  /** How many items there are. */
  readonly size: number;
  /** The first of them, in the order of delivery: at most 100. */
  readonly items: readonly ItemView[];
}

const ITEMS_SHOWN = 100;

/** @throws what the client's reads throw, except for nodes that go meanwhile. */
export async function inspectQueue(terms: QueueTerms, options: CallOptions): Promise<QueueView> {
  const { zk, path, lockPath, layout } = terms;
  const found = await nullIfGone(zk.children(path, options));
  const names = itemsInOrder(layout, found?.children ?? []);
  const views = names.slice(0, ITEMS_SHOWN).map(async ({ name }): Promise<ItemView | null> => {
    const itemPath = childPath(path, name);
    const [stat, claim] = await Promise.all([
      zk.exists(itemPath, options),
      nullIfGone(zk.get(childPath(lockPath, name), options)),
    ]);
    if (stat === null) return null;
    return {
      path: itemPath,
      since: new Date(Number(stat.ctime)),
      attempts: stat.version,
      consumer: claim === null ? null : String(claim.data),
    };
  });
  const items = (await Promise.all(views)).filter((view) => view !== null);
  return { path, size: names.length, items };
}
