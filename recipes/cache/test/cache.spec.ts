import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CREATOR_ALL_ACL, DeadlineExceededError, InvalidPathError } from '@aviary/client';
import { CacheNotLoadedError, Caches, type CacheChange } from '../src/index.js';
import { RecipeWorld, STEADY, type Service } from '../../../test/recipes/recipe-world.js';

let world: RecipeWorld;
let ann: Service;
let bob: Service;
let caches: Caches;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  caches = new Caches(ann.zk, { root: '/shop', log: ann.log });
  await world.in(bob, () => bob.zk.ensurePath('/shop/prices'));
  await world.in(bob, () => bob.zk.create('/shop/prices/kiwi', '3'));
  await world.in(bob, () => bob.zk.create('/shop/prices/fig', '5'));
});

const ready = (path: string) => world.in(ann, () => caches.tree(path).ready());

describe('a cache', () => {
  it('is read without waiting, once it is ready', async () => {
    const prices = caches.tree('prices');
    expect(() => prices.get('kiwi')).toThrow(CacheNotLoadedError);
    expect(prices.isStale).toBe(true);
    await ready('prices');
    expect(caches.tree('/shop/prices')).toBe(prices);
    expect(String(prices.get('kiwi')?.data)).toBe('3');
    expect(prices.get('/shop/prices/plum')).toBeNull();
    expect(prices.children().map(({ name }) => name)).toEqual(['fig', 'kiwi']);
    expect([prices.isStale, prices.problems]).toEqual([false, []]);
    expect(prices.snapshot.root?.path).toBe('/shop/prices');
  });

  it('tells what changed, node by node, from the first snapshot on', async () => {
    const prices = await ready('prices');
    const told: string[] = [];
    const text = (change: CacheChange) => {
      const before = 'before' in change ? ` ${String(change.before.data)}` : '';
      const after = 'node' in change ? ` ${String(change.node.data)}` : '';
      return `${change.kind} ${change.path}${before}${after}`;
    };
    prices.changes$.subscribe((change) => told.push(text(change)));
    expect(told.splice(0)).toEqual([
      'created /shop/prices ',
      'created /shop/prices/fig 5',
      'created /shop/prices/kiwi 3',
    ]);
    const write = (transaction: { commit(): Promise<unknown> }) =>
      world.in(bob, () => transaction.commit());
    await write(bob.zk.transaction().set('/shop/prices/kiwi', '4').delete('/shop/prices/fig'));
    await world.pass(100);
    expect(told.splice(0)).toEqual(['deleted /shop/prices/fig 5', 'changed /shop/prices/kiwi 3 4']);
    await write(bob.zk.transaction().delete('/shop/prices/kiwi').create('/shop/prices/kiwi', '4'));
    await write(
      bob.zk.transaction().create('/shop/prices/nut').create('/shop/prices/nut/wal', '9'),
    );
    await world.pass(100);
    expect(told).toEqual([
      'deleted /shop/prices/kiwi 4',
      'created /shop/prices/kiwi 4',
      'created /shop/prices/nut ',
      'created /shop/prices/nut/wal 9',
    ]);
    told.splice(0);
    await write(bob.zk.transaction().delete('/shop/prices/nut/wal').delete('/shop/prices/nut'));
    await world.pass(100);
    expect(told).toEqual(['deleted /shop/prices/nut/wal 9', 'deleted /shop/prices/nut ']);
  });

  it('shows single nodes and directories by themselves', async () => {
    const nodes: unknown[] = [];
    const lists: unknown[] = [];
    caches.node$('prices/kiwi').subscribe((node) => nodes.push(node?.data?.toString() ?? null));
    caches
      .children$('prices')
      .subscribe((view) => lists.push(view?.children.map(({ name }) => name).join()));
    await world.pass(200);
    await world.in(bob, () => bob.zk.set('/shop/prices/kiwi', '7'));
    await world.in(bob, () => bob.zk.create('/shop/prices/nut'));
    await world.in(bob, () => bob.zk.delete('/shop/prices/kiwi'));
    await world.pass(200);
    expect(nodes).toEqual(['3', '7', null]);
    expect(lists).toEqual(['fig,kiwi', 'fig,kiwi', 'fig,kiwi,nut', 'fig,nut']);
  });

  it('reports once what it goes without', async () => {
    const cas = await world.connected('cas', { auth: [{ scheme: 'digest', auth: 'cas:secret' }] });
    const acl = CREATOR_ALL_ACL;
    await world.in(cas, () => cas.zk.create('/shop/prices/secret', '', { acl }));
    const prices = await ready('prices');
    await world.in(bob, () => bob.zk.set('/shop/prices/fig', '6'));
    await world.pass(100);
    expect(prices.problems).toMatchObject([{ path: '/shop/prices/secret' }]);
    const line = expect.stringContaining(
      'the cache of /shop/prices goes without /shop/prices/secret: ',
    );
    expect(ann.lines).toEqual([line]);
    await world.in(cas, () => cas.zk.delete('/shop/prices/secret'));
    await world.in(bob, () => bob.zk.create('/shop/prices/nut'));
    await world.pass(100);
    await world.in(cas, () => cas.zk.create('/shop/prices/secret', '', { acl }));
    await world.in(bob, () => bob.zk.delete('/shop/prices/nut'));
    await world.pass(100);
    expect(ann.lines).toEqual([line, line]);
  });

  it('has a watch of its own inside of another one, and the server tells of each change once', async () => {
    await ready('/shop');
    const spies = [...world.port.connections].map((each) => jest.spyOn(each, 'notify'));
    const told = async () => {
      for (const spy of spies) spy.mockClear();
      await world.in(bob, () => bob.zk.set('/shop/prices/fig', '6'));
      await world.pass(100);
      return spies.flatMap((spy) => spy.mock.calls).length;
    };
    expect(await told()).toBe(1);
    const inner = await ready('prices');
    expect(world.watchCount).toBe(2);
    expect(await told()).toBe(1);
    caches.tree('/shop').close();
    await world.pass(100);
    const { isStale } = inner;
    expect([isStale, world.watchCount, await told()]).toEqual([false, 1, 1]);
  });

  it('does not wait for ever', async () => {
    world.world.partition(['ann'], ['server']);
    const waiting = world.in(ann, () => caches.tree('prices').ready({ deadlineMs: 500 }));
    await expect(waiting).rejects.toBeInstanceOf(DeadlineExceededError);
    world.world.heal();
    await world.world.reach(() => !caches.tree('prices').isStale);
  });

  it('refuses paths that are none, and nodes outside of it', async () => {
    expect(() => new Caches(ann.zk, { root: 'shop' })).toThrow(InvalidPathError);
    expect(() => caches.tree('')).toThrow('must be a string, and not empty');
    expect(() => caches.tree('../x')).toThrow(InvalidPathError);
    const prices = await ready('prices');
    expect(() => prices.get('/shop')).toThrow('/shop is not below /shop/prices');
    expect(() => prices.get('/shop/pricesx')).toThrow(InvalidPathError);
    expect(() => prices.node$('a/../b')).toThrow(InvalidPathError);
    expect(() => prices.children('')).toThrow(InvalidPathError);
  });
});
