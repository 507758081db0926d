import { beforeEach, describe, expect, it } from '@jest/globals';
import { TreeLimitError } from '../src/index.js';
import { Caches } from '../src/index.js';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../test/recipes/recipe-world.js';

/** The traps that other clients fell into, by their numbers in the list of known ones. */
let world: RecipeWorld;
let ann: Service;
let bob: Service;
let caches: Caches;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  caches = new Caches(ann.zk, { log: ann.log });
  await world.in(bob, () => bob.zk.create('/c', '0'));
  await world.in(bob, () => bob.zk.create('/c/a', '1'));
});

describe('T14: what is left behind', () => {
  it('is nothing: no watch, no read, no timer, on either side', async () => {
    const base = [world.watchCount, ann.zk.watchCount];
    const cache = await world.in(ann, () => caches.tree('/c').ready());
    const gone = cache.node$('/c/gone').subscribe();
    const list = caches.children$('/c').subscribe();
    const node = caches.node$('/c/a').subscribe();
    await world.pass(200);
    expect([world.watchCount, ann.zk.watchCount]).not.toEqual(base);
    for (const subscription of [gone, list, node]) subscription.unsubscribe();
    cache.close();
    await world.pass(200);
    expect([world.watchCount, ann.zk.watchCount]).toEqual(base);
    expect(() => cache.snapshot).toThrow('loading or not kept');
  });

  it('is nothing either by who leaves before it has loaded', async () => {
    for (const ms of [0, 5, 15, 25, 35]) {
      const subscription = caches.tree('/c').view$.subscribe();
      await world.pass(ms);
      subscription.unsubscribe();
      await world.pass(200);
      expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
    }
  });
});

describe('T19: a value that was changed while nobody told', () => {
  it('is read again after a broken connection, and after a session that was slept through', async () => {
    const seen: string[] = [];
    const cache = await world.in(ann, () => caches.tree('/c').ready());
    cache.node$('/c/a').subscribe((node) => seen.push(String(node?.data)));
    world.world.partition(['ann'], ['server']);
    await world.in(bob, () => bob.zk.set('/c/a', '2'));
    await world.world.reach(() => cache.isStale);
    expect(String(cache.get('a')?.data)).toBe('1');
    world.world.heal();
    await world.world.reach(() => !cache.isStale);
    expect(String(cache.get('a')?.data)).toBe('2');

    ann.process.pause();
    await world.in(bob, () => bob.zk.set('/c/a', '3'));
    await world.pass(3 * SESSION_TIMEOUT_MS);
    ann.process.resume();
    await world.world.reach(() => String(cache.get('a')?.data) === '3');
    expect(seen).toEqual(['1', '2', '3']);
  });
});

describe('T25: too much', () => {
  it('ends the cache, and it says so to who reads it', async () => {
    const cache = await world.in(ann, () => caches.tree('/c', { nodesMax: 3 }).ready());
    const errors: unknown[] = [];
    cache.changes$.subscribe({ error: (error: unknown) => errors.push(error) });
    await world.in(bob, () => bob.zk.create('/c/b'));
    await world.in(bob, () => bob.zk.create('/c/d'));
    await world.pass(100);
    expect(errors).toEqual([expect.any(TreeLimitError)]);
    expect(() => cache.get('a')).toThrow('more than 3 nodes (nodesMax)');
    expect(ann.lines).toEqual(['the cache of /c has ended']);
    await world.in(bob, () => bob.zk.delete('/c/d'));
    await world.in(ann, () => cache.ready());
    expect(cache.children().map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
