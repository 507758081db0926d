import { beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { ZooKeeper } from '@aviary/client';
import { springLayers, type WatchOptions } from '../src/index.js';
import { ConfigWorld, STEADY, type Service } from './config-world.js';

let world: ConfigWorld;
let ann: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

async function writeAll(nodes: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [path, data] of Object.entries(nodes)) await world.write(`/config/${path}`, data);
  await world.pass(100);
}

async function watch(path: string, options: WatchOptions<unknown> = {}) {
  const live = ann.configs.watch(path, { format: 'properties', ...options });
  await world.pass(300);
  return live;
}

const problemOf = async (path: string) => {
  const { state } = await watch(path);
  return state.kind === 'degraded' && state.problem.kind === 'rejected' && state.problem.issues[0];
};

describe('a tree of properties', () => {
  const Db = z.object({
    db: z.object({ url: z.url(), pool: z.coerce.number() }),
    debug: z.stringbool(),
  });

  it('is one object, which follows every node', async () => {
    await writeAll({ 'orders/db/url': 'pg://a', 'orders/db/pool': '5', 'orders/debug': 'false' });
    const live = await watch('orders', { schema: Db });
    expect(live.value).toEqual({ db: { url: 'pg://a', pool: 5 }, debug: false });
    const changes: unknown[] = [];
    live.changes$.subscribe(({ changedPaths }) => changes.push(changedPaths));
    await writeAll({ 'orders/db/pool': '9' });
    await writeAll({ 'orders/db/pool': 'many' });
    expect(live.value).toMatchObject({ db: { pool: 9 } });
    expect(live.state).toMatchObject({ problem: { issues: [{ path: 'db.pool' }] } });
    await world.look((zk) =>
      zk
        .transaction()
        .set('/config/orders/db/pool', '7')
        .set('/config/orders/debug', 'on')
        .commit(),
    );
    await world.pass(100);
    expect(changes).toEqual([['db.pool'], ['db.pool', 'debug']]);
    expect(world.watchCount).toBe(2);
  });

  it('has a version that every instance counts alike, also after deletions', async () => {
    const bob = await world.connected('bob');
    await writeAll({ 'orders/a': '1', 'orders/b': '2' });
    const live = await watch('orders');
    const before = live.version!;
    await world.look((zk) => zk.delete('/config/orders/b'));
    await world.pass(100);
    expect(live.value).toEqual({ a: '1' });
    expect(live.version!.zxid).toBeGreaterThan(before.zxid);
    const other = bob.configs.watch('orders', { format: 'properties' });
    await world.in(bob, () => other.ready());
    await world.pass(200);
    expect(other.version).toEqual(live.version);
    const seen: string[] = [];
    bob.configs.rollout$('orders').subscribe(({ summary }) => seen.push(summary));
    await world.pass(200);
    expect(seen.at(-1)).toBe(`2 of 2 on version 0x${live.version!.zxid.toString(16)}`);
  });

  it('may have dots in the names of nodes', async () => {
    await writeAll({ 'orders/db.url': 'pg://a', 'orders/db/pool': '5' });
    expect((await watch('orders')).value).toEqual({ db: { url: 'pg://a', pool: '5' } });
  });

  it('leaves out what nodes with children say, and empty ones', async () => {
    await writeAll({ 'orders/db': '10.0.0.7', 'orders/db/url': 'x', 'orders/none': '' });
    expect((await watch('orders')).value).toEqual({ db: { url: 'x' } });
  });

  it('is missing until there is a root', async () => {
    const live = await watch('orders', { fallback: { default: { a: 'default' } } });
    expect(live.state.kind).toBe('default');
    await writeAll({ 'orders/a': '1' });
    expect(live.value).toEqual({ a: '1' });
    const gone = (zk: ZooKeeper) =>
      zk.transaction().delete('/config/orders/a').delete('/config/orders');
    await world.look((zk) => gone(zk).commit());
    await world.pass(100);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { kind: 'missing' } });
    expect(live.value).toEqual({ a: '1' });
  });

  it.each<[string, Record<string, string | Buffer>, object]>([
    ['a name that is unsafe', { 'a/__proto__/isAdmin': '1' }, { path: '__proto__.isAdmin' }],
    ['one that reaches for prototypes', { 'a/constructor/prototype/x': '1' }, { path: '' }],
    ['an empty name', { 'a/b..c': '1' }, { path: 'b..c' }],
    ['one property twice', { 'a/b.c': '1', 'a/b/c': '2' }, { path: 'b.c' }],
    ['a property inside of one', { 'a/b': '1', 'a/b.c': '2' }, { path: 'b.c' }],
    ['bytes that are no text', { 'a/b': Buffer.from([0xff]) }, { message: 'it is not UTF-8 text' }],
    ['too much', { 'a/b': 'x'.repeat(300_000), 'a/c': 'x'.repeat(200_000) }, { path: '' }],
  ])('is rejected for %s', async (_what, nodes, issue) => {
    await writeAll(nodes);
    expect(await problemOf('a')).toMatchObject(issue);
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
  });
});

describe('layers as of Spring Cloud', () => {
  it('are named so that the most specific comes last', () => {
    expect(springLayers('orders', { profiles: ['eu', 'prod'] })).toEqual([
      'application',
      'application,eu',
      'application,prod',
      'orders',
      'orders,eu',
      'orders,prod',
    ]);
    expect(springLayers('orders', { shared: 'shared', root: '/spring' })).toEqual([
      '/spring/shared',
      '/spring/orders',
    ]);
  });

  it('are one configuration, in which the most specific wins', async () => {
    const layers = springLayers('orders', { profiles: ['prod'] });
    await writeAll({
      'application/db/url': 'shared',
      'application/db/pool': '1',
      'application/tls': 'off',
      'application,prod/db/pool': '2',
      'orders/db/pool': '3',
      'orders/tls/cert': 'a',
    });
    const live = await watch('orders', { layers });
    expect(live.value).toEqual({ db: { url: 'shared', pool: '3' }, tls: { cert: 'a' } });
    await writeAll({ 'orders,prod/db/pool': '4', 'application/db/url': 'other' });
    expect(live.value).toEqual({ db: { url: 'other', pool: '4' }, tls: { cert: 'a' } });
    await world.look((zk) => zk.delete('/config/orders,prod/db/pool'));
    await world.pass(100);
    expect(live.value).toMatchObject({ db: { pool: '3' } });
    await world.in(ann, () => live.close());
    await world.pass(100);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('never have an older version, also when one is deleted as a whole', async () => {
    await writeAll({ 'application/tls': 'off', 'orders/tls': 'on' });
    const live = await watch('orders', { layers: springLayers('orders') });
    const before = live.version!;
    const gone = (zk: ZooKeeper) =>
      zk.transaction().delete('/config/orders/tls').delete('/config/orders');
    await world.look((zk) => gone(zk).commit());
    await world.pass(100);
    expect(live.value).toEqual({ tls: 'off' });
    expect(live.version!.zxid).toBeGreaterThanOrEqual(before.zxid);
    expect(live.state).toEqual({ kind: 'current', version: live.version });
  });

  it.each<[string, object, RegExp]>([
    ['none', { format: 'properties', layers: [] }, /at least one/],
    ['no list', { format: 'properties', layers: 'orders' }, /and a list of at least one path/],
    ['of another format', { layers: ['a'] }, /layers are for the format "properties"/],
    ['that climb', { format: 'properties', layers: ['../a'] }, /must not have a component ".."/],
  ])('are refused: %s', (_what, options, problem) => {
    expect(() => ann.configs.watch('orders', options)).toThrow(problem);
    expect(ann.configs.configs).toEqual([]);
  });
});
