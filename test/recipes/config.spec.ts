import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigClient, type LiveConfig, type Rollout } from '@aviary/config';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterAll(() => cluster.stop());

const Shop = z.object({ serial: z.number(), isOpen: z.boolean().default(true) });
type Shop = z.infer<typeof Shop>;

/** Clients of configurations with sessions of their own, and one that publishes. */
async function clients(count: number, sessionTimeoutMs = 10_000) {
  const base = await cluster.freshBase();
  const paths = { root: `${base}/config`, recordsRoot: `${base}/records` };
  const make = (identity: string) => {
    const zk = cluster.client({ sessionTimeoutMs });
    return { zk, configs: new ConfigClient(zk, { ...paths, identity }) };
  };
  const all = Array.from({ length: count }, (_, at) => make(`service ${at}`));
  const ops = make('ops');
  return { base, ops, all };
}

/** The zxids of the versions that a configuration had, one after the other. */
function zxidsOf(live: LiveConfig<Shop>): bigint[] {
  const zxids: bigint[] = [];
  live.select((shop) => shop).subscribe(() => zxids.push(live.version?.zxid ?? 0n));
  return zxids;
}

function neverGoBack(zxids: readonly bigint[]): void {
  expect(zxids).toEqual([...new Set(zxids)].sort((one, other) => (one < other ? -1 : 1)));
}

const ifOurs = membersAreOurs ? it : it.skip;

describe(`configurations on ${clusterName}`, () => {
  it('reach everybody, and the publisher is told who took and who rejected them', async () => {
    const { base, ops, all } = await clients(3);
    await ops.configs.publish('shop', { serial: 1 }, { schema: Shop });
    const strict = Shop.refine(({ serial }) => serial < 3, { path: ['serial'], error: 'below 3' });
    const lives = all.map(({ configs }, at) =>
      configs.watch<Shop>('shop', { schema: at === 0 ? strict : Shop }),
    );
    await Promise.all(lives.map((live) => live.ready({ waitMs: 10_000 })));
    const seen: Rollout[] = [];
    const { version, rollout$ } = await ops.configs.publish('shop', { serial: 3 });
    const subscription = rollout$.subscribe((rollout) => seen.push(rollout));
    await until(() => seen.at(-1)?.taken === 2 && seen.at(-1)?.rejected === 1);
    expect(seen.at(-1)?.summary).toBe('2 of 3 on version 2, 1 rejected: serial: below 3');
    expect(lives.map(({ value }) => value.serial)).toEqual([1, 3, 3]);
    expect(lives[1]?.version).toEqual(version);
    await ops.configs.rollback('shop');
    // Who rejected the other one has had this value all the time.
    await until(() => lives.every(({ state }) => state.kind === 'current'));
    await until(() => lives.every(({ value }) => value.serial === 1));
    subscription.unsubscribe();
    await Promise.all(all.map(({ configs }) => configs.close()));
    expect(await cluster.childrenOf(`${base}/records`)).toHaveLength(1);
    const [records] = await cluster.childrenOf(`${base}/records`);
    expect(await cluster.childrenOf(`${base}/records/${records}/acks`)).toEqual([]);
    await until(() => [ops, ...all].every(({ zk }) => zk.watchCount === 0));
  });

  it('are published by one after the other, each once', async () => {
    const { ops, all } = await clients(3);
    const rounds = Array.from({ length: 4 }, (_, serial) => serial);
    const published = await Promise.all(
      all.flatMap(({ configs }) => rounds.map((serial) => configs.publish('shop', { serial }))),
    );
    const numbers = published.map(({ version }) => version.number ?? 0);
    expect([...numbers].sort((one, other) => one - other)).toEqual(numbers.map((_, at) => at + 1));
    const history = await ops.configs.history('shop');
    expect(history[0]?.version.number).toBe(12);
  });

  it('are trees of properties, changed in one transaction', async () => {
    const { base, ops, all } = await clients(1);
    await ops.zk.ensurePath(`${base}/config/orders/db`);
    await ops.zk.create(`${base}/config/orders/db/url`, 'a');
    await ops.zk.create(`${base}/config/orders/db/pool`, 'a');
    const { configs } = all[0]!;
    const live = configs.watch<{ db: { url: string; pool: string } }>('orders', {
      format: 'properties',
    });
    await live.ready({ waitMs: 10_000 });
    const mixed: unknown[] = [];
    live.select(({ db }) => db).subscribe((db) => db.url === db.pool || mixed.push(db));
    for (const word of ['b', 'c', 'd', 'e']) {
      const both = ops.zk.transaction().set(`${base}/config/orders/db/url`, word);
      await both.set(`${base}/config/orders/db/pool`, word).commit();
    }
    await until(() => live.value.db.url === 'e');
    expect(mixed).toEqual([]);
  });

  it('are trees that several publish at once, and nobody sees half of one', async () => {
    const { ops, all } = await clients(3);
    const format = 'properties';
    const treeOf = (id: string) => ({ all: { id }, [`of-${id}`]: { id }, [`only-${id}`]: id });
    const first = await ops.configs.publish('orders', treeOf('first'), { format });
    const lives = all.map(({ configs }) =>
      configs.watch<ReturnType<typeof treeOf>>('orders', { format }),
    );
    await Promise.all(lives.map((live) => live.ready({ waitMs: 10_000 })));
    const mixed: unknown[] = [];
    for (const live of lives) {
      live
        .select((tree) => tree)
        .subscribe((tree) => {
          const { id } = tree.all;
          if (!isDeepStrictEqual({ ...tree }, treeOf(id))) mixed.push(tree);
        });
    }
    const published = await Promise.all(
      all.flatMap(({ configs }, at) =>
        [0, 1, 2].map((round) => configs.publish('orders', treeOf(`${at}-${round}`), { format })),
      ),
    );
    const zxids = published.map(({ version }) => version.zxid);
    const last = zxids.reduce((one, other) => (one > other ? one : other));
    await until(() => lives.every(({ version }) => version?.zxid === last));
    expect(mixed).toEqual([]);
    const late = ops.configs.publish('orders', {}, { format, expectedVersion: first.version });
    await expect(late).rejects.toMatchObject({ name: 'ConfigConflictError', actual: last });
    expect(await ops.configs.history('orders')).toHaveLength(10);
  });

  ifOurs('survive the death of the leader, in the middle of publishing', async () => {
    const { ops, all } = await clients(2, SHORT_SESSION_MS * 4);
    await ops.configs.publish('shop', { serial: 0 });
    const lives = all.map(({ configs }) => configs.watch('shop', { schema: Shop }));
    await Promise.all(lives.map((live) => live.ready({ waitMs: 10_000 })));
    const seen = lives.map(zxidsOf);
    let last = 0;
    let isOver = false;
    const publishing = (async () => {
      const versions: number[] = [];
      while (!isOver) {
        const { version } = await ops.configs.publish('shop', { serial: ++last });
        versions.push(version.number ?? 0);
      }
      return versions;
    })();
    await until(() => last > 5);
    const { restore } = await cluster.killLeader();
    const before = last;
    await until(() => last > before + 5);
    await restore();
    isOver = true;
    const versions = await publishing;
    // Each was applied once: nobody else publishes, so no number is missing.
    expect(versions).toEqual(versions.map((_, at) => at + 2));
    await until(() => lives.every(({ value }) => value.serial === last));
    seen.forEach(neverGoBack);
  });

  ifOurs(
    'are followed again by an instance that was cut off for longer than its session',
    async () => {
      const { ops, all } = await clients(1, SHORT_SESSION_MS);
      await ops.configs.publish('shop', { serial: 1 });
      const live = all[0]!.configs.watch('shop', { schema: Shop });
      await live.ready({ waitMs: 10_000 });
      const zxids = zxidsOf(live);
      const summaries: string[] = [];
      ops.configs.rollout$('shop').subscribe(({ summary }) => summaries.push(summary));
      await until(() => summaries.at(-1) === '1 of 1 on version 1');
      const { restore } = await cluster.killLeader();
      await ops.configs.publish('shop', { serial: 2 });
      await restore();
      await until(() => live.value.serial === 2);
      await until(() => summaries.at(-1) === '1 of 1 on version 2');
      neverGoBack(zxids);
    },
  );
});
