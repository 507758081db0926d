import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CREATOR_ALL_ACL,
  ClosedError,
  DeadlineExceededError,
  InvalidPathError,
  NoAuthError,
  ReplyTooLargeError,
  UnimplementedError,
  type NodeView,
  type ZooKeeper,
} from '@aviary/client';
import { throwError } from 'rxjs';
import {
  TreeLimitError,
  TreeUnsupportedError,
  Trees,
  type DirectoryView,
} from '../../src/index.js';
import { RecipeWorld, STEADY, follow, texts, type Service } from './tree-world.js';

let world: RecipeWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await world.in(bob, () => bob.zk.create('/t', 'root'));
  await world.in(bob, () => bob.zk.create('/t/a', '1'));
  await world.in(bob, () => bob.zk.create('/t/a/x', '2'));
  await world.in(bob, () => bob.zk.create('/t/b', '3'));
});

afterEach(async () => {
  await world.in(ann, () => ann.zk.close());
  await world.pass(100);
  expect(world.watchCount).toBe(0);
  expect(Trees.of(ann.zk).size).toBe(0);
  expect(world.failures).toEqual([]);
});

const write = (action: (zk: ZooKeeper) => Promise<unknown>) => world.in(bob, () => action(bob.zk));

describe('a tree', () => {
  it('is shown when it is complete, and again after each change', async () => {
    const reader = follow(ann, '/t');
    expect(reader.tree.view).toBeNull();
    await world.pass(200);
    expect(reader.views).toHaveLength(1);
    const [first] = reader.views;
    expect(texts(first)).toEqual({ '/t': 'root', '/t/a': '1', '/t/a/x': '2', '/t/b': '3' });
    expect(first?.snapshot.get('/t/a/x')?.stat.version).toBe(0);
    expect(first?.snapshot.get('/t/a/y')).toBeNull();
    expect(first?.snapshot.get('/u')).toBeNull();
    expect(first?.snapshot.children('/t').map(({ name }) => name)).toEqual(['a', 'b']);

    await write((zk) => zk.set('/t/a/x', '4'));
    await world.pass(100);
    expect(texts(reader.tree.view)).toMatchObject({ '/t/a/x': '4' });
    expect(reader.tree.view?.snapshot.get('/t/b')).toBe(first?.snapshot.get('/t/b'));
    expect(texts(first)).toMatchObject({ '/t/a/x': '2' });

    await write((zk) => zk.transaction().delete('/t/a/x').create('/t/c', '5').commit());
    await world.pass(100);
    expect(texts(reader.tree.view)).toEqual({
      '/t': 'root',
      '/t/a': '1',
      '/t/b': '3',
      '/t/c': '5',
    });
    expect(reader.views).toHaveLength(3);
    expect(reader.tree.view?.snapshot.root?.stat.numChildren).toBe(3);
    expect(reader.tree.view?.snapshot.get('/t/a')?.stat.numChildren).toBe(0);
  });

  it('need not exist, and may come and go', async () => {
    const reader = follow(ann, '/none/such');
    await world.pass(100);
    expect(reader.views.at(-1)?.snapshot.root).toBeNull();
    await write((zk) => zk.ensurePath('/none/such/thing'));
    await world.pass(100);
    expect(texts(reader.tree.view)).toEqual({ '/none/such': '', '/none/such/thing': '' });
    await write((zk) => zk.transaction().delete('/none/such/thing').delete('/none/such').commit());
    await world.pass(100);
    expect(reader.tree.view?.snapshot.root).toBeNull();
  });

  it('is read and watched once for all who look at it, and forgotten after the last', async () => {
    const before = world.watchCount;
    const readers = [follow(ann, '/t'), follow(ann, '/t')];
    const nodes: (NodeView | null)[] = [];
    const lists: (DirectoryView | null)[] = [];
    const tree = Trees.of(ann.zk).tree('/t');
    const node = tree.node$('/t/b').subscribe((view) => nodes.push(view));
    const list = tree.children$('/t/a').subscribe((view) => lists.push(view));
    await world.pass(200);
    expect(world.watchCount).toBe(before + 1);
    expect(Trees.of(ann.zk).size).toBe(1);
    const late = follow(ann, '/t');
    expect(late.views).toHaveLength(1);
    expect(nodes.map((view) => String(view?.data))).toEqual(['3']);
    expect(lists.map((view) => view?.children.map(({ name }) => name))).toEqual([['x']]);
    for (const reader of [...readers, late]) reader.stop();
    node.unsubscribe();
    await world.pass(100);
    expect(world.watchCount).toBe(before + 1);
    list.unsubscribe();
    await world.pass(100);
    expect(world.watchCount).toBe(before);
    expect([tree.view, Trees.of(ann.zk).size, ann.zk.watchCount]).toEqual([null, 0, 0]);
  });

  it('T19: what changed in a gap is seen after it, and nothing older than what was shown', async () => {
    const reader = follow(ann, '/t');
    const nodes: (NodeView | null)[] = [];
    Trees.of(ann.zk)
      .tree('/t')
      .node$('/t/a')
      .subscribe((view) => nodes.push(view));
    await world.pass(200);
    world.world.partition(['ann'], ['server']);
    await write((zk) => zk.set('/t/a', 'changed in the gap'));
    await write((zk) => zk.delete('/t/b'));
    await write((zk) => zk.create('/t/d', 'new'));
    await world.world.reach(() => ann.zk.state.kind === 'suspended');
    expect(reader.views.at(-1)?.stale).toBe(true);
    expect(texts(reader.views.at(-1))).toMatchObject({ '/t/b': '3' });
    world.world.heal();
    await world.world.reach(() => reader.views.at(-1)?.stale === false);
    expect(ann.zk.state.kind).toBe('reconnected');
    expect(texts(reader.tree.view)).toEqual({
      '/t': 'root',
      '/t/a': 'changed in the gap',
      '/t/a/x': '2',
      '/t/d': 'new',
    });
    expect(nodes.map((view) => String(view?.data))).toEqual(['1', 'changed in the gap']);
  });

  it('goes on in the next session, and shows that a node is another one', async () => {
    const reader = follow(ann, '/t');
    await world.pass(200);
    const before = reader.tree.view?.snapshot.get('/t/b')?.stat.czxid ?? 0n;
    const session = ann.zk.sessionId;
    ann.process.pause();
    await write((zk) => zk.delete('/t/b'));
    await write((zk) => zk.create('/t/b', '3'));
    await world.pass(5_000);
    ann.process.resume();
    await world.world.reach(() => reader.views.at(-1)!.snapshot.get('/t/b')!.stat.czxid > before);
    expect(ann.zk.sessionId).not.toBe(session);
    expect(reader.tree.view).toMatchObject({ stale: false });
  });

  it('says of a node that it is gone, also when it comes back at once', async () => {
    const seen: (bigint | null)[] = [];
    const tree = Trees.of(ann.zk).tree('/t');
    tree.node$('/t/b').subscribe((view) => seen.push(view?.stat.czxid ?? null));
    await world.pass(200);
    await write((zk) => zk.transaction().delete('/t/b').create('/t/b', '3').commit());
    await world.pass(100);
    expect(seen).toHaveLength(3);
    expect(seen[1]).toBeNull();
    expect(seen[2]).toBeGreaterThan(seen[0]!);
  });

  it('keeps what nodes share in step: each snapshot is of one moment', async () => {
    const reader = follow(ann, '/t');
    await world.pass(200);
    for (let round = 0; round < 40; round++) {
      const both = bob.zk.transaction().set('/t/a', `${round}`).set('/t/b', `${round}`);
      void world.begin(bob, () => both.commit());
      await world.pass(7);
    }
    await world.pass(200);
    const pairs = reader.views.slice(1).map((view) => [texts(view)['/t/a'], texts(view)['/t/b']]);
    expect(pairs.filter(([a, b]) => a !== b)).toEqual([]);
    expect(pairs.at(-1)).toEqual(['39', '39']);
    // Both are written to three times in each round trip, and still most round trips show something.
    expect(pairs.length).toBeGreaterThan(8);
  });
});

describe('limits and refusals', () => {
  it('leaves deeper nodes out that nobody wants', async () => {
    const reader = follow(ann, '/t', { depthMax: 1 });
    await world.pass(200);
    expect(Object.keys(texts(reader.tree.view))).toEqual(['/t', '/t/a', '/t/b']);
    const before = reader.views.length;
    await write((zk) => zk.set('/t/a/x', 'unseen'));
    await write((zk) => zk.create('/t/c', 'seen'));
    await world.pass(100);
    expect(reader.views).toHaveLength(before + 1);
    expect(Object.keys(texts(reader.tree.view))).toEqual(['/t', '/t/a', '/t/b', '/t/c']);
  });

  it.each([
    ['nodes', { nodesMax: 4 }],
    ['bytes', { bytesMax: 8 }],
  ])(
    'ends with an error when there are too many %s, and can be loaded anew',
    async (limit, max) => {
      const reader = follow(ann, '/t', max);
      await world.pass(200);
      expect(reader.views).toHaveLength(1);
      await write((zk) => zk.create('/t/more', '456'));
      await world.pass(100);
      expect(reader.end()).toBeInstanceOf(TreeLimitError);
      expect(reader.end()).toMatchObject({ limit, path: '/t' });
      expect([ann.zk.watchCount, Trees.of(ann.zk).size]).toEqual([0, 0]);
      await write((zk) => zk.delete('/t/more'));
      const again = follow(ann, '/t', max);
      await world.pass(200);
      expect(again.views).toHaveLength(1);
    },
  );

  it('reports what must not be read, and goes on with the rest', async () => {
    const cas = await world.connected('cas', { auth: [{ scheme: 'digest', auth: 'cas:secret' }] });
    await world.in(cas, () => cas.zk.create('/t/p', 'private', { acl: CREATOR_ALL_ACL }));
    await world.in(cas, () => cas.zk.create('/t/p/q', 'deep'));
    const reader = follow(ann, '/t');
    const errors: unknown[] = [];
    reader.tree.node$('/t/p').subscribe({ error: (error: unknown) => errors.push(error) });
    await world.pass(300);
    const { snapshot } = reader.tree.view!;
    expect(Object.keys(texts(reader.tree.view))).toEqual(['/t', '/t/a', '/t/a/x', '/t/b']);
    expect(snapshot.problems).toMatchObject([{ path: '/t/p', error: expect.any(NoAuthError) }]);
    expect(errors).toEqual([expect.any(NoAuthError)]);
    await write((zk) => zk.set('/t/b', 'goes on'));
    await world.pass(100);
    expect(texts(reader.tree.view)).toMatchObject({ '/t/b': 'goes on' });
    await world.in(cas, () => cas.zk.delete('/t/p/q'));
    await world.in(cas, () => cas.zk.delete('/t/p'));
    // Servers tell of no event at a node that must not be read; the next look at its parent does.
    await write((zk) => zk.set('/t', 'root'));
    await world.pass(100);
    expect(reader.tree.view?.snapshot.problems).toEqual([]);
  });

  it('reads a huge directory with few requests, a part of it in each', async () => {
    for (let from = 0; from < 3_000; from += 500) {
      const all = bob.zk.transaction();
      for (let at = from; at < from + 500; at++) all.create(`/t/a/node-${at}`, `${at}`);
      await write(() => all.commit());
    }
    const startedMs = world.world.virtualMs;
    const reader = follow(ann, '/t');
    await world.world.reach(() => reader.views.length > 0);
    // Three levels and then 48 requests, four at a time, of 20 ms each.
    expect(world.world.virtualMs - startedMs).toBeLessThan(20 * (1 + 3 + 14));
    expect(reader.tree.view?.snapshot.children('/t/a')).toHaveLength(3_001);
  });

  it('leaves out a directory whose names fit no answer, and asks for less at a time', async () => {
    const all = bob.zk.transaction();
    for (let at = 0; at < 200; at++) all.create(`/t/a/${'n'.repeat(50)}-${at}`);
    await write(() => all.commit());
    for (let at = 0; at < 20; at++) await write((zk) => zk.create(`/t/big-${at}`, 'x'.repeat(900)));
    const eve = await world.connected('eve', { replyBytesMax: 8_000 });
    const reader = follow(eve, '/t');
    await world.pass(10_000);
    const { snapshot, stale } = reader.tree.view!;
    expect(stale).toBe(false);
    expect(snapshot.problems).toMatchObject([
      { path: '/t/a', error: expect.any(ReplyTooLargeError) },
    ]);
    expect(snapshot.children('/t')).toHaveLength(21);
    reader.stop();
  });

  it('says which servers it needs', () => {
    const refusal = new UnimplementedError('watchTree /t', -6, { outcome: 'notApplied' });
    const old = new Proxy(ann.zk, {
      get: (zk, key): unknown =>
        key === 'watchTree' ? () => throwError(() => refusal) : Reflect.get(zk, key, zk),
    });
    const reader = follow({ ...ann, zk: old }, '/t');
    expect(reader.end()).toBeInstanceOf(TreeUnsupportedError);
    expect(String(reader.end())).toContain('ZooKeeper 3.6');
  });

  it('refuses paths and limits that are none', () => {
    const trees = Trees.of(ann.zk);
    expect(() => trees.tree('t')).toThrow(InvalidPathError);
    expect(() => trees.tree('/t/')).toThrow(InvalidPathError);
    expect(() => trees.tree('/t', { nodesMax: -1 })).toThrow('nodesMax must be a number from 0 up');
    expect(() => trees.tree('/t').node$('x')).toThrow(InvalidPathError);
  });
});

describe('load', () => {
  it('gives the first complete tree, and leaves nothing behind', async () => {
    const snapshot = await world.in(ann, () => Trees.of(ann.zk).tree('/t').load());
    expect(snapshot.root?.children.size).toBe(2);
    await world.pass(100);
    expect(ann.zk.watchCount).toBe(0);
  });

  it('does not outlive its deadline, its signal or the client', async () => {
    world.world.partition(['ann'], ['server']);
    const tree = Trees.of(ann.zk).tree('/t');
    const late = world.in(ann, () => tree.load({ deadlineMs: 300 }));
    await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);
    const aborting = new AbortController();
    const aborted = world.begin(ann, () => tree.load({ signal: aborting.signal }));
    const closed = world.begin(ann, () => tree.load());
    aborting.abort(new Error('enough'));
    await expect(world.world.settle(aborted)).rejects.toMatchObject({
      name: 'AbortedError',
      outcome: 'notApplied',
    });
    await world.in(ann, () => ann.zk.close());
    await expect(world.world.settle(closed)).rejects.toBeInstanceOf(ClosedError);
  });
});
