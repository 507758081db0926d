import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigConflictError, ConfigRejectedError } from '../src/index.js';
import { ConfigWorld, STEADY, rejection, type Service } from './config-world.js';
import { ManualSchema, Pricing } from './schemas.js';

let world: ConfigWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const publish = async (value: unknown, options: object = {}, service = ann) => {
  const { version } = await world.in(service, () =>
    service.configs.publish('pricing', value, options),
  );
  return version;
};
const history = async (): Promise<[number | null, unknown][]> => {
  const versions = await world.in(bob, () => bob.configs.history('pricing'));
  return versions.map(({ version, data }) => [version.number, JSON.parse(String(data)) as unknown]);
};
const data = async () =>
  JSON.parse(String((await world.look((zk) => zk.get('/config/pricing'))).data)) as unknown;

describe('publish', () => {
  it('makes the node and what is above it, and numbers versions from 1 on', async () => {
    expect((await publish({ vat: 0.1 })).number).toBe(1);
    const second = await publish({ vat: 0.2 }, { schema: Pricing });
    expect(second.number).toBe(2);
    const stat = await world.look((zk) => zk.exists('/config/pricing'));
    expect(stat).toMatchObject({ version: 2, mzxid: second.zxid });
    expect(await history()).toEqual([
      [2, { vat: 0.2 }],
      [1, { vat: 0.1 }],
    ]);
  });

  it('is seen by those who follow, as the version that it returned', async () => {
    const live = bob.configs.watch('pricing', { schema: Pricing });
    const version = await publish({ vat: 0.1 });
    await world.pass(50);
    expect(live.version).toEqual(version);
  });

  it.each<[string, unknown, object, RegExp]>([
    ['the schema does not let pass', { vat: 'x' }, { schema: Pricing }, /vat: .*expected number/],
    ['is too long', 'x'.repeat(400_000), {}, /400003 bytes, more than the 400000 allowed/],
    ['is none', undefined, {}, /undefined cannot be written/],
    ['has unsafe names', JSON.parse('{"__proto__":{"a":1}}'), {}, /"__proto__" is not allowed/],
    ['is a number for itself only', { tax: { vat: NaN } }, {}, /tax\.vat: the number NaN cannot/],
    ['is a Map', { rates: new Map([['eu', 1]]) }, { format: 'yaml' }, /rates: a Map cannot be/],
  ])('writes nothing that %s', async (_what, value, options, problem) => {
    const error = await rejection(publish(value, options));
    expect(error).toBeInstanceOf(ConfigRejectedError);
    expect(error).toMatchObject({ outcome: 'notApplied', operation: 'publish' });
    expect(error.message).toMatch(problem);
    expect(world.port.tree.findText('/config')).toBe(-1);
  });

  it('refuses arguments that make no sense', async () => {
    const outcome = { outcome: 'notApplied', name: 'InvalidArgumentError' };
    for (const expectedVersion of [-2, 1.5, '1', null, {}, 1n]) {
      expect(await rejection(publish(1, { expectedVersion }))).toMatchObject(outcome);
    }
    expect(await rejection(publish(1, { format: 'toml' }))).toMatchObject(outcome);
    expect(await rejection(publish(1, { schema: {} }))).toMatchObject(outcome);
    for (const waitMs of [-5, NaN, '5s']) {
      const error = await rejection(publish(1, { waitMs }));
      expect(error.message).toMatch(/waitMs must be a number of milliseconds from 0 up/);
    }
    expect(() => ann.configs.pathOf('a/../b')).toThrow(/must not have a component ".."/);
  });

  it('refuses with expectedVersion what somebody published in between', async () => {
    await publish({ vat: 0.1 }, { expectedVersion: -1 });
    const again = await rejection(publish({ vat: 0.2 }, { expectedVersion: -1 }));
    expect(again).toBeInstanceOf(ConfigConflictError);
    expect(again.message).toMatch(/has version 1, not no node: somebody published in between/);
    await publish({ vat: 0.3 }, { expectedVersion: 1 });
    const late = await rejection(publish({ vat: 0.4 }, { expectedVersion: 1 }));
    expect(late).toMatchObject({ expected: 1, actual: 2, outcome: 'notApplied' });
    const gone = await rejection(
      world.in(ann, () => ann.configs.publish('other', 1, { expectedVersion: 0 })),
    );
    expect(gone).toMatchObject({ expected: 0, actual: -1 });
  });

  it('is told apart by the version itself where numbers begin anew', async () => {
    const version = await publish({ vat: 0.1 });
    await world.look((zk) => zk.delete('/config/pricing'));
    const other = await publish({ vat: 0.2 });
    expect(other.number).toBe(version.number);
    const error = await rejection(publish({ vat: 0.3 }, { expectedVersion: version }));
    expect(error).toMatchObject({ expected: version.zxid, actual: other.zxid });
    await publish({ vat: 0.4 }, { expectedVersion: other });
    const late = await rejection(publish({ vat: 0.5 }, { expectedVersion: other }));
    expect(late).toMatchObject({ expected: 1, actual: 2 });
    await world.look((zk) => zk.delete('/config/pricing'));
    const gone = await rejection(publish({ vat: 0.5 }, { expectedVersion: other }));
    expect(gone).toMatchObject({ expected: 1, actual: -1 });
  });

  it('looks again before it says so, since a server may lag behind', async () => {
    const version = await publish({ vat: 0.1 });
    const exists = ann.zk.exists.bind(ann.zk);
    const stale = (await world.look((zk) => zk.exists('/config/pricing')))!;
    const { number } = await publish({ vat: 0.2 });
    let isBehind = true;
    const sync = ann.zk.sync.bind(ann.zk);
    ann.zk.sync = (path, options) => ((isBehind = false), sync(path, options));
    ann.zk.exists = (path, options) => (isBehind ? Promise.resolve(stale) : exists(path, options));
    expect(version.number).toBe(1);
    expect(await publish({ vat: 0.3 }, { expectedVersion: number! })).toMatchObject({ number: 3 });
  });

  it('takes turns with others that publish at the same time', async () => {
    const all = Array.from({ length: 6 }, (_, at) => {
      const service = at % 2 === 0 ? ann : bob;
      return world.begin(service, () => service.configs.publish('pricing', { at }));
    });
    const versions = await world.world.settle(Promise.all(all));
    expect(versions.map(({ version }) => version.number).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    const raced = [ann, bob].map((one) =>
      world.begin(one, () =>
        one.configs.publish('pricing', { at: one.name }, { expectedVersion: 6 }),
      ),
    );
    const [one, other] = await world.world.settle(Promise.allSettled(raced));
    expect([one!.status, other!.status].sort()).toEqual(['fulfilled', 'rejected']);
    expect((await history())[0]![0]).toBe(7);
  });

  it('keeps as many versions as it is told to', async () => {
    const cas = await world.connected('cas', {}, { historyMax: 2 });
    for (const vat of [0.1, 0.2, 0.3, 0.4]) await publish({ vat }, {}, cas);
    expect((await history()).map(([number]) => number)).toEqual([4, 3]);
  });

  it('forgets the oldest first, so that what is left tells what is gone', async () => {
    for (const vat of [0.1, 0.2, 0.3]) await publish({ vat });
    const cas = await world.connected('cas', {}, { historyMax: 1 });
    const remove = cas.zk.delete.bind(cas.zk);
    let removals = 0;
    cas.zk.delete = async (path, options) => {
      if (removals++ > 0) throw new Error('out of order');
      await remove(path, options);
    };
    await publish({ vat: 0.4 }, {}, cas);
    expect((await history()).map(([number]) => number)).toEqual([4, 3, 2]);
    expect(cas.lines.join()).toMatch(/the history of .* cannot be trimmed/);
  });

  it('refuses when the counter of versions runs over, since servers would not compare', async () => {
    await publish({ vat: 0.1 });
    const { tree } = world.port;
    const node = tree.findText('/config/pricing');
    const overrun = { ...(await world.look((zk) => zk.exists('/config/pricing')))!, version: -1 };
    const exists = ann.zk.exists.bind(ann.zk);
    ann.zk.exists = (path) => (node === -1 ? exists(path) : Promise.resolve(overrun));
    const error = await rejection(publish({ vat: 0.2 }));
    expect(error.message).toMatch(/runs over at -1, and .* delete the node and publish again/);
  });
});

describe('a schema that does not answer', () => {
  const { schema } = new ManualSchema();
  const publishing = (options: object) => rejection(publish({ id: 1 }, { schema, ...options }));

  it('is waited for as long as the caller says, and has rejected nothing', async () => {
    const startedMs = world.world.virtualMs;
    expect(await publishing({ waitMs: 300 })).toMatchObject({
      name: 'DeadlineExceededError',
      outcome: 'notApplied',
    });
    expect(world.world.virtualMs - startedMs).toBeLessThan(310);
  });

  it('is left when the signal aborts', async () => {
    const controller = new AbortController();
    world.world.after(100, () => controller.abort(new Error('enough')));
    const startedMs = world.world.virtualMs;
    const error = await publishing({ signal: controller.signal });
    expect(error).toMatchObject({ name: 'AbortedError', cause: { message: 'enough' } });
    expect(world.world.virtualMs - startedMs).toBeLessThan(110);
  });
});

it('is told what to do about data that do not fit into a request', async () => {
  const cas = await world.connected('cas', {}, { bytesMax: 700_000 });
  const error = await rejection(publish('x'.repeat(600_000), {}, cas));
  expect(error).toBeInstanceOf(ConfigRejectedError);
  expect(error.message).toMatch(
    /2 changes do not fit into one transaction .*: publish less, or raise/,
  );
});

describe('rollback', () => {
  it('publishes the version before again, or the one that is asked for', async () => {
    for (const vat of [0.1, 0.2, 0.3]) await publish({ vat });
    const back = await world.in(ann, () => ann.configs.rollback('pricing'));
    expect(back.version.number).toBe(4);
    expect(await data()).toEqual({ vat: 0.2 });
    await world.in(ann, () => ann.configs.rollback('pricing', { to: 1, schema: Pricing }));
    expect(await data()).toEqual({ vat: 0.1 });
    expect((await history()).map(([number]) => number)).toEqual([5, 4, 3, 2, 1]);
  });

  it('goes further back each time, and never to what it went back from', async () => {
    const back = () => world.in(ann, () => ann.configs.rollback('pricing'));
    for (const vat of [0.1, 0.2, 9]) await publish({ vat });
    await back();
    expect(await data()).toEqual({ vat: 0.2 });
    await back();
    expect(await data()).toEqual({ vat: 0.1 });
    expect((await rejection(back())).message).toMatch(/no earlier version in the history/);
    await publish({ vat: 0.3 });
    await back();
    expect(await data()).toEqual({ vat: 0.1 });
    const versions = await world.in(ann, () => ann.configs.history('pricing'));
    expect(versions[0]?.restores).toBe(versions.at(-1)?.version.zxid);
  });

  it('does so also where the history has forgotten the version that came back', async () => {
    const cas = await world.connected('cas', {}, { historyMax: 3 });
    const back = () => world.in(cas, () => cas.configs.rollback('pricing'));
    await publish({ vat: 0.1 }, {}, cas);
    await publish({ vat: 9 }, {}, cas);
    await back();
    await publish({ vat: 0.2 }, {}, cas);
    await back();
    expect(await history()).toEqual([
      [5, { vat: 0.1 }],
      [4, { vat: 0.2 }],
      [3, { vat: 0.1 }],
    ]);
    expect((await rejection(back())).message).toMatch(/no earlier version in the history/);
  });

  it('goes back from what was written without publishing, and to what was deleted', async () => {
    await publish({ vat: 0.1 });
    await world.write('/config/pricing', 'garbage');
    await world.in(ann, () => ann.configs.rollback('pricing'));
    expect(await data()).toEqual({ vat: 0.1 });
    await world.look((zk) => zk.delete('/config/pricing'));
    await world.in(ann, () => ann.configs.rollback('pricing'));
    expect(await data()).toEqual({ vat: 0.1 });
  });

  it('says what it cannot go back to', async () => {
    await publish({ vat: 7 });
    const none = await rejection(world.in(ann, () => ann.configs.rollback('pricing')));
    expect(none.message).toMatch(/no earlier version in the history/);
    const unknown = await rejection(
      world.in(ann, () => ann.configs.rollback('pricing', { to: 9 })),
    );
    expect(unknown.message).toMatch(/no version 9 in the history/);
    await publish({ vat: 0.1 });
    const bad = world.in(ann, () => ann.configs.rollback('pricing', { schema: Pricing }));
    expect((await rejection(bad)).message).toMatch(/the value was rejected: vat: /);
    await publish({ vat: 0.2 }, { format: 'yaml' });
    await publish({ vat: 0.3 }, { format: 'yaml' });
    const json = world.in(ann, () => ann.configs.rollback('pricing', { schema: Pricing }));
    expect(await rejection(json)).toBeInstanceOf(ConfigRejectedError);
    await publish({ vat: 0.1 });
    expect(await data()).toEqual({ vat: 0.1 });
  });
});
