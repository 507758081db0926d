import { setTimeout as sleep } from 'node:timers/promises';
import { QueueClient, textItems } from '@aviary/queue';
import type { Stage } from './stage.js';

const PAUSE_MS = 250;
/** So long that no two workers can do what three put: each is needed. */
const WORK_MS = 600;
/** Every death and every loss is an attempt: none of them is to lead to a dead letter. */
const ATTEMPTS_MAX = 1_000_000;

/** Puts items and works on those of all workers. */
export function queue(stage: Stage): () => Promise<void> {
  const { zk, settings } = stage;
  const { worker } = settings;
  const queues = new QueueClient(zk, { root: stage.path('queues'), identity: worker });
  const jobs = queues.queue('jobs', { codec: textItems });
  let last = 0;

  stage.repeat('put', PAUSE_MS, async () => {
    const item = `${worker}:${++last}`;
    stage.tell({ kind: 'putting', item });
    try {
      const { ambiguous } = await stage.within('put', (waitMs) => jobs.put(item, { waitMs }));
      stage.tell({ kind: 'put', item, isAmbiguous: ambiguous });
      stage.did('put');
    } catch (error) {
      stage.tell({ kind: 'notPut', item });
      throw error;
    }
  });

  jobs.consume(
    async (item, delivery) => {
      try {
        await sleep(WORK_MS);
        await stage.enterInto('queue', delivery, { what: item });
        stage.did('consume');
      } catch (error) {
        stage.forgive('consume', error);
        throw error;
      }
    },
    { concurrency: 2, attempts: ATTEMPTS_MAX, backoffMs: 20, backoffMsMax: 200 },
  );
  return () => queues.close();
}
