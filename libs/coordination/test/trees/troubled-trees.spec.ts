import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CREATOR_ALL_ACL,
  InvalidArgumentError,
  OPEN_ACL,
  type NodeView,
  type TreeEvent,
  type ZooKeeper,
} from '@aviary/client';
import { Subject, merge } from 'rxjs';
import { Trees } from '../../src/index.js';
import { RecipeWorld, STEADY, follow, texts, type Service } from './tree-world.js';

let world: RecipeWorld;
let ann: Service;
let bob: Service;
/** Somebody whose nodes nobody else may read. */
let cas: Service;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  cas = await world.connected('cas', { auth: [{ scheme: 'digest', auth: 'cas:secret' }] });
  await write((zk) => zk.create('/t', 'root'));
  await write((zk) => zk.create('/t/a', '1'));
});

afterEach(async () => {
  await world.in(ann, () => ann.zk.close());
  await world.pass(100);
  expect([world.watchCount, ann.zk.watchCount, Trees.of(ann.zk).size]).toEqual([0, 0, 0]);
  expect(world.failures).toEqual([]);
});

const write = (action: (zk: ZooKeeper) => Promise<unknown>) => world.in(bob, () => action(bob.zk));
const hide = (path: string) =>
  world.in(cas, () => cas.zk.create(path, 'private', { acl: CREATOR_ALL_ACL }));
const open = (path: string) => world.in(cas, () => cas.zk.setAcl(path, OPEN_ACL));

/** A service whose server tells of more than happened, or in another order. */
function told(service: Service, more: Subject<TreeEvent>): Service {
  const watchTree = (path: string) => merge(service.zk.watchTree(path), more);
  const zk = new Proxy(service.zk, {
    get: (target, key): unknown => {
      if (key === 'watchTree') return watchTree;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...service, zk };
}

/** Tells of a write to `path` every few milliseconds, and nobody knows in which transaction. */
async function tellFor(forMs: number, path: string, more: Subject<TreeEvent>): Promise<void> {
  for (let ms = 0; ms < forMs; ms += 4) {
    more.next({ kind: 'dataChanged', path, zxid: null });
    await world.pass(4);
  }
}

describe('what must not be read', () => {
  it('is found when it may be, though nobody was told that it was made', async () => {
    const reader = follow(ann, '/t');
    await world.pass(200);
    await hide('/t/p');
    await world.pass(100);
    expect(Object.keys(texts(reader.tree.view))).toEqual(['/t', '/t/a']);
    await open('/t/p');
    await write((zk) => zk.set('/t/p', 'public'));
    await world.pass(100);
    expect(texts(reader.tree.view)).toEqual({ '/t': 'root', '/t/a': '1', '/t/p': 'public' });
  });

  it('shows in the problems of a tree of which there is nothing else', async () => {
    const more = new Subject<TreeEvent>();
    const reader = follow(told(ann, more), '/t/p');
    await world.pass(200);
    await hide('/t/p');
    more.next({ kind: 'reset', reason: 'reconnected' });
    await world.pass(200);
    const problems = reader.views.map(({ snapshot }) => snapshot.problems.map(({ path }) => path));
    expect([problems[0], problems.at(-1)]).toEqual([[], ['/t/p']]);
  });

  it('is read again when something happens below it', async () => {
    await hide('/t/p');
    await world.in(cas, () => cas.zk.create('/t/p/q', 'deep'));
    const reader = follow(ann, '/t');
    await world.pass(200);
    expect(reader.tree.view?.snapshot.problems).toMatchObject([{ path: '/t/p' }]);
    await open('/t/p');
    await write((zk) => zk.set('/t/p/q', 'deeper'));
    await world.pass(100);
    expect(texts(reader.tree.view)).toMatchObject({ '/t/p': 'private', '/t/p/q': 'deeper' });
    expect(reader.tree.view?.snapshot.problems).toEqual([]);
  });

  it('makes no snapshot by itself', async () => {
    await hide('/t/p');
    await write((zk) => zk.create('/t/a/deep'));
    const reader = follow(ann, '/t', { depthMax: 1 });
    await world.pass(200);
    expect(reader.views).toHaveLength(1);
    await write((zk) => zk.set('/t/a/deep', 'not followed'));
    await world.pass(100);
    expect(reader.views).toHaveLength(1);
  });

  it('delays nothing, where servers tell of it all the same', async () => {
    await hide('/t/p');
    const more = new Subject<TreeEvent>();
    const reader = follow(told(ann, more), '/t');
    await tellFor(200, '/t/p', more);
    expect(Object.keys(texts(reader.tree.view))).toEqual(['/t', '/t/a']);
    const before = reader.views.length;
    void world.begin(bob, () => bob.zk.set('/t/a', '2'));
    await tellFor(200, '/t/p', more);
    expect(reader.views.length).toBeGreaterThan(before);
    expect(texts(reader.tree.view)).toMatchObject({ '/t/a': '2' });
  });
});

describe('a tree that changes all the time', () => {
  it('is shown again and again, though more nodes change than fit a usual request', async () => {
    const count = 150;
    const paths = Array.from({ length: count }, (_, at) => `/t/a/${at}`);
    const all = bob.zk.transaction();
    for (const path of paths) all.create(path, '0');
    await write(() => all.commit());
    const reader = follow(ann, '/t');
    await world.pass(200);
    expect(reader.views).toHaveLength(1);
    for (let round = 0; round < 200; round++) {
      const some = bob.zk.transaction();
      for (let at = 0; at < 15; at++) some.set(paths[(round * 15 + at) % count]!, `${round}`);
      void world.begin(bob, () => some.commit());
      await world.pass(3);
    }
    // A hundred nodes in each of thirty round trips.
    expect(reader.views.length).toBeGreaterThan(4);
    await world.pass(200);
    expect(texts(reader.tree.view)).toMatchObject({ '/t/a/149': '199' });
  });

  it('says that it is stale when nothing could be shown for a second', async () => {
    const more = new Subject<TreeEvent>();
    const reader = follow(told(ann, more), '/t');
    await world.pass(200);
    await tellFor(800, '/t/a', more);
    expect(reader.views.map(({ stale }) => stale)).toEqual([false]);
    await tellFor(400, '/t/a', more);
    expect(reader.views.map(({ stale }) => stale)).toEqual([false, true]);
    await world.pass(100);
    expect(reader.views.map(({ stale }) => stale)).toEqual([false, true, false]);
  });
});

describe('a node', () => {
  it('does not come back from a server that has not heard yet that it is gone', async () => {
    const more = new Subject<TreeEvent>();
    const seen: (NodeView | null)[] = [];
    const { tree } = follow(told(ann, more), '/t');
    tree.node$('/t/a').subscribe((node) => seen.push(node));
    await world.pass(200);
    // Told by one server; the next one is behind, as far as this client may know.
    more.next({ kind: 'deleted', path: '/t/a', zxid: ann.zk.lastZxid + 1n });
    more.next({ kind: 'reset', reason: 'reconnected' });
    await world.pass(200);
    await write((zk) => zk.delete('/t/a'));
    await world.pass(100);
    await write((zk) => zk.create('/t/a', '2'));
    await world.pass(100);
    expect(seen.map((node) => node?.data?.toString())).toEqual(['1', undefined, '2']);
  });

  it('comes back in another history of the ensemble', async () => {
    const more = new Subject<TreeEvent>();
    const seen: (NodeView | null)[] = [];
    const { tree } = follow(told(ann, more), '/t');
    tree.node$('/t/a').subscribe((node) => seen.push(node));
    await world.pass(200);
    more.next({ kind: 'deleted', path: '/t/a', zxid: ann.zk.lastZxid + 1n });
    more.next({ kind: 'reset', reason: 'historyLost' });
    await world.pass(200);
    expect(seen.map((node) => node?.data?.toString())).toEqual(['1', undefined, '1']);
  });

  it('is null as soon as it is certain that it does not exist', async () => {
    const seen: (NodeView | null)[] = [];
    Trees.of(ann.zk)
      .tree('/t')
      .node$('/t/none')
      .subscribe((node) => seen.push(node));
    await world.pass(200);
    expect(seen).toEqual([null]);
  });
});

it('refuses deadlines that are none', async () => {
  const tree = Trees.of(ann.zk).tree('/t');
  for (const deadlineMs of [NaN, -1, '5s' as unknown as number]) {
    const loading = world.in(ann, () => tree.load({ deadlineMs }));
    await expect(loading).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(loading).rejects.toThrow('deadlineMs must be a number of milliseconds from 0 up');
  }
});
