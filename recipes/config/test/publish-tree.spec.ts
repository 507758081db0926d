import { isDeepStrictEqual } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import {
  ConfigConflictError,
  ConfigRejectedError,
  springLayers,
  type PublishOptions,
  type RollbackOptions,
} from '../src/index.js';
import { ConfigWorld, STEADY, rejection, type Service } from './config-world.js';

let world: ConfigWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const format = 'properties';
const ORDERS = '/config/orders';
const DB = { db: { url: 'pg://a', pool: '5' }, debug: 'false' };

const publish = async (value: unknown, options: PublishOptions = {}, path = 'orders') =>
  (await world.in(ann, () => ann.configs.publish(path, value, { format, ...options }))).version;

async function follow(service = bob, path = 'orders') {
  const live = service.configs.watch(path, { format });
  const seen: unknown[] = [];
  live.select((value) => value).subscribe((value) => seen.push(value));
  await world.in(service, () => live.ready());
  return { live, seen };
}

/** The nodes of a tree and their data, as they stand at the server. */
async function nodesBelow(path = ORDERS): Promise<Record<string, string>> {
  return await world.look(async (zk) => {
    const found: Record<string, string> = {};
    const walk = async (at: string): Promise<void> => {
      found[at.slice(path.length)] = String((await zk.get(at)).data ?? 'null');
      for (const name of (await zk.children(at)).children) await walk(`${at}/${name}`);
    };
    await walk(path);
    return found;
  });
}

describe('a tree that is published', () => {
  it('is made of nodes, and is seen as one object of one version', async () => {
    const { version, rollout$ } = await world.in(ann, () =>
      ann.configs.publish('orders', { db: { url: 'pg://a', pool: 5 }, debug: false }, { format }),
    );
    expect(version.number).toBeNull();
    expect(await nodesBelow()).toEqual({
      '': '',
      '/db': '',
      '/db/pool': '5',
      '/db/url': 'pg://a',
      '/debug': 'false',
    });
    const { live } = await follow();
    expect(live.value).toEqual(DB);
    expect(live.version).toEqual(version);
    const summaries: string[] = [];
    rollout$.subscribe(({ summary }) => summaries.push(summary));
    await world.pass(300);
    expect(summaries.at(-1)).toBe(`1 of 1 on version 0x${version.zxid.toString(16)}`);
  });

  it('takes the place of the one before in one transaction: nobody sees half of it', async () => {
    await publish({ a: '1', b: { c: '1', d: '1' }, stays: 'x' });
    const before = await world.look((zk) => zk.exists(`${ORDERS}/stays`));
    const { live, seen } = await follow();
    const version = await publish({ a: '2', b: { c: '2' }, e: { f: '2' }, stays: 'x' });
    await world.pass(100);
    expect(seen).toEqual([
      { a: '1', b: { c: '1', d: '1' }, stays: 'x' },
      { a: '2', b: { c: '2' }, e: { f: '2' }, stays: 'x' },
    ]);
    expect(live.version).toEqual(version);
    // What says the same already is left as it is.
    expect(await world.look((zk) => zk.exists(`${ORDERS}/stays`))).toEqual(before);
    await publish({});
    await world.pass(100);
    expect([live.value, live.state.kind]).toEqual([{}, 'current']);
    expect(await nodesBelow()).toEqual({ '': '' });
  });

  it('may say only what is said already, and is a version of its own', async () => {
    const first = await publish(DB);
    const second = await publish(DB);
    expect(second.zxid).toBeGreaterThan(first.zxid);
    expect((await follow()).live.version).toEqual(second);
  });

  it('replaces what others have written, in whatever form', async () => {
    await world.write(`${ORDERS}/db.url`, 'old');
    await world.write(`${ORDERS}/db/pool`, '1');
    await world.write(`${ORDERS}/db/deep/er`, '1');
    await world.write(`${ORDERS}/debug/level`, '1');
    await world.write(`${ORDERS}/tls`, 'on');
    await world.look((zk) => zk.set(ORDERS, 'of Curator'));
    await world.look((zk) => zk.set(`${ORDERS}/debug`, '10.0.0.7'));
    await publish({ ...DB, 'tls.cert': 'x', 'tls/key': 'y' });
    expect(await nodesBelow()).toEqual({
      '': 'of Curator',
      '/db': '',
      '/db/pool': '5',
      '/db/url': 'pg://a',
      '/debug': 'false',
      '/tls': '',
      '/tls/cert': 'x',
      '/tls/key': 'y',
    });
    expect((await follow()).live.value).toEqual({ ...DB, tls: { cert: 'x', key: 'y' } });
  });

  it('is read back as it was meant, whatever stood there before', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd.a', 'd.b', 'e/a');
    const leaf = fc.oneof(fc.constantFrom('x', 'ü ', true, 7, 0.5), fc.string({ minLength: 1 }));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(name, fc.oneof({ depthSize: 'small' }, leaf, tie('tree'))),
    }));
    await publish({});
    const { live } = await follow();
    let published = 0;
    for (const value of fc.sample(tree, { numRuns: 40, seed: 7 })) {
      const outcome = await publish(value).catch((error: unknown) => error);
      if (outcome instanceof ConfigRejectedError) {
        expect(outcome.message).toMatch(/it is there twice, or there is a property inside of it/);
        continue;
      }
      published++;
      await world.pass(60);
      expect(live.version).toEqual(outcome);
      expect(flat(live.value)).toEqual(flat(value));
    }
    expect(published).toBeGreaterThan(20);
  });

  it('is a layer of what others read', async () => {
    const layers = springLayers('orders', { profiles: ['prod'] });
    await publish({ db: { pool: '1', url: 'shared' } }, {}, 'application');
    await publish({ db: { pool: '9' } }, {}, 'orders,prod');
    const live = bob.configs.watch('orders', { format, layers });
    expect(await world.in(bob, () => live.ready())).toEqual({ db: { pool: '9', url: 'shared' } });
  });
});

/** Properties by their whole names, as texts. */
function flat(value: unknown, above: readonly string[] = []): Record<string, string> {
  if (typeof value !== 'object')
    return { [above.join('.')]: typeof value === 'string' ? value : JSON.stringify(value) };
  const parts = Object.entries(value ?? {}).map(([name, inner]) =>
    flat(inner, [...above, ...name.split(/[/.]/)]),
  );
  return Object.assign({}, ...parts) as Record<string, string>;
}

describe('a tree is not published', () => {
  const db = z.object({ db: z.object({ pool: z.coerce.number() }) });
  it.each<[string, unknown, PublishOptions, RegExp]>([
    ['that the schema does not let pass', { db: { pool: 'x' } }, { schema: db }, /db\.pool: .*NaN/],
    ['that is text', 'a=1', {}, /must be an object of names and values/],
    ['that is a list', [1], {}, /must be an object of names and values/],
    ['with a list', { db: { hosts: ['a'] } }, {}, /db\.hosts: a list cannot be a property: leave/],
    ['with null', { db: { url: null } }, {}, /db\.url: null cannot be a property: leave it out/],
    ['with an empty text', { db: { url: '' } }, {}, /db\.url: an empty text cannot be a property/],
    ['with NaN', { db: { pool: NaN } }, {}, /db\.pool: the number NaN cannot be written/],
    ['with half a character', { db: { url: '\ud800' } }, {}, /db\.url: it would not be read back/],
    ['with one twice', { db: { url: '1' }, 'db.url': '2' }, {}, /db\.url: it is there twice, or/],
    ['with one in another', { db: '1', 'db.url': '2' }, {}, /db\.url: it is there twice, or there/],
    ['with an empty name', { 'a..b': '1' }, {}, /a\.\.b: it cannot be the name of a node: /],
    ['with a name of no node', { 'a\u0000': '1' }, {}, /it cannot be the name of a node: /],
    ['with an unsafe name', { 'a.__proto__': '1' }, {}, /the name "a\.__proto__" is not allowed/],
    [
      'that is too long',
      { a: 'x'.repeat(300_000), b: 'x'.repeat(200_000) },
      {},
      /500000 bytes, mo/,
    ],
  ])('%s', async (_what, value, options, problem) => {
    const error = await rejection(publish(value, options));
    expect(error).toBeInstanceOf(ConfigRejectedError);
    expect(error).toMatchObject({ outcome: 'notApplied', operation: 'publish' });
    expect(error.message).toMatch(problem);
    expect(world.port.tree.findText('/config')).toBe(-1);
  });

  it('that does not fit into one transaction: it is said what to do', async () => {
    const entries = Array.from({ length: 4_000 }, (_, at) => [`${'name'.repeat(50)}-${at}`, 'x']);
    const error = await rejection(publish(Object.fromEntries(entries)));
    expect(error).toBeInstanceOf(ConfigRejectedError);
    expect(error.message).toMatch(
      /4002 changes do not fit into one transaction .*1048575 bytes.*: publish parts of it at paths of their own and let them be read as layers, or publish it as the data of one node/,
    );
    expect(world.port.tree.findText(ORDERS)).toBe(-1);
  });

  it('over one that is too large to be replaced: it is said what to do', async () => {
    const children = ann.zk.children.bind(ann.zk);
    const names = Array.from({ length: 30_001 }, (_, at) => `n${at}`);
    await publish(DB);
    ann.zk.children = async (path, options) => {
      const found = await children(path, options);
      return path === ORDERS ? { ...found, children: names } : found;
    };
    expect((await rejection(publish({}))).message).toMatch(
      /more than 30000 nodes are there already, all in one transaction: .*: publish parts of it/,
    );
  });

  it('where all others would give way to it', async () => {
    for (const path of ['/config', '/config-records', '/config-records/a']) {
      const error = await rejection(publish({ a: '1' }, {}, path));
      expect(error).toMatchObject({ name: 'InvalidPathError', outcome: 'notApplied' });
    }
    expect((await rejection(publish({ a: '1' }, {}, '/config'))).message).toMatch(
      /all configurations stand there \(root\), .*: publish below it/,
    );
  });
});

describe('a tree over the version that was read', () => {
  it('is refused when somebody published, wrote or deleted in between', async () => {
    const expectedVersion = await publish({ a: '1', b: '1' }, { expectedVersion: -1 });
    expect(await rejection(publish({ a: '2' }, { expectedVersion: -1 }))).toBeInstanceOf(
      ConfigConflictError,
    );
    const { live } = await follow();
    expect(live.version).toEqual(expectedVersion);
    for (const change of [
      () => world.write(`${ORDERS}/b`, '2'),
      () => world.write(`${ORDERS}/c/d`, '2'),
      () => world.look((zk) => zk.delete(`${ORDERS}/b`)),
      () => publish({ a: '3' }),
    ]) {
      await world.pass(100);
      const options = { expectedVersion: live.version! };
      await change();
      const error = await rejection(publish({ a: 'mine' }, options));
      expect(error).toBeInstanceOf(ConfigConflictError);
      expect(error).toMatchObject({
        expected: options.expectedVersion.zxid,
        outcome: 'notApplied',
      });
      expect(error.message).toMatch(/has version 0x\w+, not version 0x\w+: somebody published in/);
    }
    await world.pass(100);
    await publish({ a: 'mine' }, { expectedVersion: live.version! });
    await world.pass(100);
    expect(live.value).toEqual({ a: 'mine' });
  });

  it('is published by one of two that read the same', async () => {
    const expectedVersion = await publish({ a: '1' });
    const raced = [ann, bob].map((one) =>
      world.begin(one, () =>
        one.configs.publish('orders', { a: one.name }, { format, expectedVersion }),
      ),
    );
    const settled = await world.world.settle(Promise.allSettled(raced));
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const { live } = await follow();
    expect(live.value).toEqual({ a: settled[0]!.status === 'fulfilled' ? 'ann' : 'bob' });
  });

  it('is not named by a number, which trees do not have', async () => {
    const error = await rejection(publish({ a: '1' }, { expectedVersion: 1 }));
    expect(error.message).toMatch(
      /a tree has versions without numbers, such as that of a LiveConfig/,
    );
  });
});

describe('what others do while a tree is published', () => {
  // It looks (60 ms: the root, its children, theirs) and writes (24 ms).
  it.each(Array.from({ length: 9 }, (_, at) => at * 10))(
    'comes before or after it, %i ms after it began',
    async (afterMs) => {
      await publish({ a: '1', b: { c: '1', d: '1' } });
      const { live, seen } = await follow();
      const wanted = { a: '1', b: { c: '1' }, e: { f: '2' } };
      const publishing = world.begin(ann, () => ann.configs.publish('orders', wanted, { format }));
      await world.pass(afterMs);
      await world.in(bob, async () => {
        const start = bob.zk.transaction().set(`${ORDERS}/a`, 'bob');
        await start.set(`${ORDERS}/b/c`, 'bob').commit();
      });
      const { version } = await world.world.settle(publishing);
      await world.pass(100);
      const first = { a: '1', b: { c: '1', d: '1' } };
      const before = [first, { a: 'bob', b: { c: 'bob', d: '1' } }, wanted];
      const after = [first, wanted, { a: 'bob', b: { c: 'bob' }, e: { f: '2' } }];
      // What lies in between may be skipped.
      const within = (all: readonly unknown[]) =>
        all.filter((one) => seen.some((other) => isDeepStrictEqual(one, other)));
      const order = isDeepStrictEqual(live.value, wanted) ? before : after;
      expect(seen).toEqual(within(order));
      expect(seen.at(-1)).toEqual(order.at(-1));
      expect(live.version!.zxid >= version.zxid).toBe(true);
    },
  );

  it.each(Array.from({ length: 9 }, (_, at) => at * 10))(
    'is never deleted with it where a version was expected, %i ms after it began',
    async (afterMs) => {
      const expectedVersion = await publish({ a: '1', b: { goes: '1' } });
      const options = { format, expectedVersion } as const;
      const publishing = world.begin(ann, () => ann.configs.publish('orders', { a: '1' }, options));
      await world.pass(afterMs);
      const writing = world.begin(bob, () => bob.zk.set(`${ORDERS}/b/goes`, '2'));
      const both = await world.world.settle(Promise.allSettled([publishing, writing]));
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    },
  );

  it('holds it up only as long as it goes on', async () => {
    await publish({ a: '1' });
    let at = 0;
    const disturb = () => {
      if (at++ < 12) void bob.zk.create(`${ORDERS}/a/x${at}`, 'x').catch(() => undefined);
      if (at < 12) world.world.after(10, () => bob.process.run(disturb));
    };
    bob.process.run(disturb);
    await publish({ b: '2' });
    await world.pass(200);
    await publish({ b: '2' });
    expect(await nodesBelow()).toEqual({ '': '', '/b': '2' });
  });
});

describe('T1 and T21: a tree whose answer is lost', () => {
  const reset = () => world.world.fabric.resetBetween('ann', 'server');

  it.each(Array.from({ length: 11 }, (_, at) => 1 + at * 9))(
    'is published once (connection reset after %i ms)',
    async (afterMs) => {
      const expectedVersion = await publish({ a: '1', b: '1' });
      world.world.after(afterMs, reset);
      const version = await publish({ a: '2' }, { expectedVersion });
      const history = await world.in(bob, () => bob.configs.history('orders'));
      expect(history).toHaveLength(2);
      expect(history[0]!.version).toEqual(version);
      expect((await follow()).live.version).toEqual(version);
    },
  );
});

describe('the history of trees', () => {
  const rollback = (options: RollbackOptions = {}) =>
    world.in(ann, () => ann.configs.rollback('orders', { format, ...options }));

  it('brings back what was there, all of it and nothing else', async () => {
    const first = await publish(DB);
    const second = await publish({ db: { url: 'pg://b' }, tls: { cert: 'x' } });
    const { live } = await follow();
    const third = await rollback();
    await world.pass(100);
    expect(live.value).toEqual(DB);
    expect(live.version).toEqual(third.version);
    expect((await rejection(rollback())).message).toMatch(/no earlier version in the history/);
    await rollback({ to: second.zxid });
    await world.pass(100);
    expect(live.value).toEqual({ db: { url: 'pg://b' }, tls: { cert: 'x' } });
    await world.write(`${ORDERS}/db/url`, 'garbage');
    const history = await world.in(ann, () => ann.configs.history('orders'));
    expect(history.map(({ version }) => version.number)).toEqual([null, null, null, null]);
    expect(history.at(-1)!.version).toEqual(first);
    expect(JSON.parse(String(history.at(-1)!.data))).toEqual(DB);
    const strict = z.object({ debug: z.string() });
    const error = await rejection(rollback({ to: second.zxid, schema: strict }));
    expect(error.message).toMatch(/the value was rejected: debug: /);
  });

  it('is told apart from that of a node at the same path', async () => {
    await publish(DB);
    const json = rejection(world.in(ann, () => ann.configs.rollback('orders')));
    expect((await json).message).toMatch(
      /no earlier version in the history; others are of trees, of the format "properties"/,
    );
    const live = bob.configs.watch('orders', { format: 'json' });
    const none = rejection(world.in(bob, () => live.ready({ waitMs: 500 })));
    expect((await none).message).toMatch(/the node has no data/);
    await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    const tree = world.in(ann, () => ann.configs.rollback('pricing', { format }));
    expect((await rejection(tree)).message).toMatch(/in the history; others are of nodes/);
  });

  it('is where instances find the last good one', async () => {
    await publish({ pool: '5' });
    await publish({ pool: 'many' });
    const schema = z.object({ pool: z.coerce.number() });
    const live = bob.configs.watch('orders', { format, schema });
    expect(await world.in(bob, () => live.ready())).toEqual({ pool: 5 });
    expect(live.state.kind).toBe('degraded');
    // What one of several layers was is not what the configuration was.
    const layers = ['application', 'orders'];
    const cas = await world.connected('cas');
    const layered = cas.configs.watch('orders', { format, schema, layers });
    const error = await rejection(world.in(cas, () => layered.ready({ waitMs: 500 })));
    expect(error).toBeInstanceOf(ConfigRejectedError);
  });
});
