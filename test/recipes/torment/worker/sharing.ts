import { setTimeout as sleep } from 'node:timers/promises';
import { Partitions } from '@aviary/partition';
import type { Stage } from './stage.js';

const WRITE_PAUSE_MS = 700;
const GRACE_MS = 2_000;
const SETTLE_MS = 200;

/** Works on its share of items. */
export function share(stage: Stage): {
  readonly items: () => readonly string[];
  close(): Promise<void>;
} {
  const { zk, settings } = stage;
  const partitions = new Partitions(zk, {
    root: stage.path('partitions'),
    member: settings.name,
    identity: settings.worker,
  });
  const options = { items: settings.items, graceMs: GRACE_MS, settleMs: SETTLE_MS };
  const joined = partitions.join('group', options, async (partition, signal) => {
    const { item, token } = partition;
    const end = stage.held('item', item, { token, signal });
    try {
      while (!signal.aborted) {
        if (!stage.isResting) {
          await stage.enterInto('partition', partition, { what: item });
          stage.did('partition');
        }
        await sleep(WRITE_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    } catch (error) {
      stage.forgive('partition', error);
      throw error;
    } finally {
      end();
    }
  });
  const items = () => joined.partitions.map(({ item }) => item).sort();
  return { items, close: () => partitions.close() };
}
