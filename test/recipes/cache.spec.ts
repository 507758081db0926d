import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Caches, type TreeSnapshot } from '@aviary/cache';
import type { ZooKeeper } from '@aviary/client';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const TEST_MS = 60_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, TEST_MS);

afterAll(() => cluster.stop(), TEST_MS);

const client = () => cluster.client({ sessionTimeoutMs: 3 * SHORT_SESSION_MS });

/** Writes the same number to two nodes and into the name of a third, until it is told to stop. */
class Writer {
  written = 0;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly zk: ZooKeeper,
    private readonly base: string,
  ) {}

  async start(): Promise<this> {
    const { zk, base } = this;
    await zk.create(`${base}/a`, '0');
    await zk.create(`${base}/b`, '0');
    await zk.create(`${base}/n-0`);
    this.running = this.run();
    return this;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    const { zk, base } = this;
    while (!this.stopped) {
      // After a lost answer the number that is there says how far it came.
      const was = Number((await zk.get(`${base}/a`)).data);
      const next = `${was + 1}`;
      const all = zk.transaction().set(`${base}/a`, next).set(`${base}/b`, next);
      const transaction = all.delete(`${base}/n-${was}`).create(`${base}/n-${next}`);
      await transaction.commit().then(
        () => this.written++,
        () => undefined,
      );
    }
  }
}

/** What is wrong with a snapshot; null: nothing. */
function flawIn(snapshot: TreeSnapshot): string | null {
  const children = snapshot.children();
  const numbers = children.map(({ name, data }) => (name.startsWith('n-') ? name.slice(2) : data));
  const texts = new Set(numbers.map(String));
  const isRight = children.length === 3 && texts.size === 1;
  return isRight ? null : `${snapshot.zxid}: ${[...texts].join()}`;
}

describe(`caches on ${clusterName}`, () => {
  it(
    'show one moment at a time, and never an older one',
    async () => {
      const base = await cluster.freshBase();
      const writer = await new Writer(client(), base).start();
      const caches = [1, 2, 3].map(() => new Caches(client()).tree(base));
      const flaws: string[] = [];
      const counts = caches.map((cache) => {
        const seen = { snapshots: 0, zxid: 0n };
        cache.snapshot$.subscribe((snapshot) => {
          seen.snapshots++;
          const flaw = flawIn(snapshot);
          if (flaw !== null) flaws.push(flaw);
          if (snapshot.zxid < seen.zxid) flaws.push(`${snapshot.zxid} after ${seen.zxid}`);
          seen.zxid = snapshot.zxid;
        });
        return seen;
      });
      await until(() => counts.every(({ snapshots }) => snapshots > 50));
      await writer.stop();
      const last = caches.map((cache) => () => String(cache.snapshot.get(`${base}/a`)?.data));
      await until(() => last.every((read) => Number(read()) >= writer.written));
      expect(flaws).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'load directories of thousands, and follow them',
    async () => {
      const base = await cluster.freshBase();
      const zk = client();
      for (let from = 0; from < 5_000; from += 1_000) {
        const all = zk.transaction();
        for (let at = from; at < from + 1_000; at++) all.create(`${base}/node-${at}`, `${at}`);
        await all.commit();
      }
      const cache = await new Caches(client()).tree(base).ready({ deadlineMs: 20_000 });
      expect(cache.children()).toHaveLength(5_000);
      await zk.set(`${base}/node-4999`, 'changed');
      await until(() => String(cache.get('node-4999')?.data) === 'changed');
      cache.close();
    },
    TEST_MS,
  );

  (membersAreOurs ? it : it.skip)(
    'keep what they had while the leader is killed, and are right again after it',
    async () => {
      const base = await cluster.freshBase();
      const writer = await new Writer(client(), base).start();
      const cache = await new Caches(client()).tree(base).ready();
      const flaws: string[] = [];
      cache.snapshot$.subscribe((snapshot) => {
        const flaw = flawIn(snapshot);
        if (flaw !== null) flaws.push(flaw);
      });
      await until(() => writer.written > 20);
      const { restore } = await cluster.killLeader();
      const before = writer.written;
      await until(() => writer.written > before + 20);
      await restore();
      await writer.stop();
      await until(() => !cache.isStale && Number(cache.get('a')?.data) >= writer.written);
      expect(flaws).toEqual([]);
      cache.close();
    },
    TEST_MS,
  );
});
