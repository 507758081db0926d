import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueueClient, textItems, type Delivery, type QueueLayout } from '@aviary/queue';
import type { ZooKeeper } from '@aviary/client';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const TEST_MS = 60_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, TEST_MS);

afterAll(() => cluster.stop(), TEST_MS);

interface Service {
  readonly zk: ZooKeeper;
  readonly queues: QueueClient;
}

/** A service with a session of its own, whose queues stand below `base`. */
function service(base: string, identity = 'service'): Service {
  const zk = cluster.client({ sessionTimeoutMs: 3 * SHORT_SESSION_MS });
  return { zk, queues: new QueueClient(zk, { root: base, identity }) };
}

describe(`queues on ${clusterName}`, () => {
  it.each<QueueLayout>(['fifo', 'priority', 'delay', 'id', 'simple'])(
    'hand every item on once, in order: %s',
    async (layout) => {
      const base = await cluster.freshBase();
      const settings = { layout, codec: textItems };
      const putting = service(base).queues.queue('a', settings);
      const texts = ['a', 'b', 'c', 'd', 'e'];
      for (const text of texts) expect((await putting.put(text)).ambiguous).toBe(false);
      const { queues } = service(base);
      const delivered: string[] = [];
      queues.queue('a', settings).consume((text) => void delivered.push(text));
      await until(() => delivered.length >= texts.length);
      expect(delivered).toEqual(texts);
      await until(async () => (await cluster.childrenOf(`${base}/a`)).length === 0);
      await queues.close();
      expect(await cluster.childrenOf(`${base}/a-taken`)).toEqual([]);
    },
  );

  it('give the item of a consumer that died to another, and dead letters to who asks', async () => {
    const base = await cluster.freshBase();
    const mortal = service(base, 'mortal');
    const heir = service(base, 'heir');
    const queue = heir.queues.queue('a', { codec: textItems });
    let isTaken = false;
    mortal.queues.queue('a', { codec: textItems }).consume(() => {
      isTaken = true;
      return new Promise(() => undefined);
    });
    await queue.put('one');
    await until(() => isTaken);
    const attempts: Delivery[] = [];
    queue.consume(
      (_text, delivery) => {
        attempts.push(delivery);
        throw new Error('not even now');
      },
      { attempts: 3, backoffMs: 1 },
    );
    // The session ends as that of a process that was killed: nobody says goodbye to the queue.
    await mortal.zk.close();
    const [letter] = await until(async () => {
      const letters = await queue.deadLetters();
      return letters.length > 0 && letters;
    });
    expect(attempts.map(({ attempt }) => attempt)).toEqual([2, 3]);
    expect(letter).toMatchObject({ messages: ['one'], facts: { attempts: 3, consumer: 'heir' } });
    await heir.queues.close();
  });

  if (membersAreOurs) {
    it(
      'lose nothing and make nothing up when the leader is killed under them',
      async () => {
        const base = await cluster.freshBase();
        const done = new Map<string, number>();
        const workers = [service(base), service(base)];
        for (const { queues } of workers) {
          const handle = async (text: string): Promise<void> => {
            await sleep(2);
            done.set(text, (done.get(text) ?? 0) + 1);
          };
          queues.queue('a', { codec: textItems }).consume(handle, { concurrency: 2 });
        }
        const producer = service(base).queues.queue('a', { codec: textItems });
        const put: string[] = [];
        const maybe: string[] = [];
        let isOver = false;
        const putting = (async () => {
          for (let at = 0; !isOver; at++) {
            const { ambiguous } = await producer.put(`item ${at}`);
            (ambiguous ? maybe : put).push(`item ${at}`);
          }
        })();
        const progress = (): Promise<unknown> => {
          const target = put.length + 10;
          return until(() => put.length > target);
        };
        await progress();
        const { restore } = await cluster.killLeader();
        await progress();
        await restore();
        await progress();
        isOver = true;
        await putting;
        await until(() => put.every((text) => done.has(text)));
        await until(async () => (await cluster.childrenOf(`${base}/a`)).length === 0);
        const known = new Set([...put, ...maybe]);
        expect([...done.keys()].filter((text) => !known.has(text))).toEqual([]);
        await Promise.all(workers.map(({ queues }) => queues.close()));
        expect(await cluster.childrenOf(`${base}/a-taken`)).toEqual([]);
      },
      TEST_MS,
    );
  }
});
