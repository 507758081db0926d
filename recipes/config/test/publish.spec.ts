import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigConflictError, ConfigRejectedError } from '../src/index.js';
import { ConfigWorld, STEADY, rejection, type Service } from './config-world.js';
import { Pricing } from './schemas.js';

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
    ['is none', undefined, {}, /no JSON/],
    ['has unsafe names', JSON.parse('{"__proto__":{"a":1}}'), {}, /"__proto__" is not allowed/],
    ['is a date for the schema only', { vat: NaN }, { schema: Pricing }, /vat: .*received null/],
  ])('writes nothing that %s', async (_what, value, options, problem) => {
    const error = await rejection(publish(value, options));
    expect(error).toBeInstanceOf(ConfigRejectedError);
    expect(error).toMatchObject({ outcome: 'notApplied', operation: 'publish' });
    expect(error.message).toMatch(problem);
    expect(world.port.tree.findText('/config')).toBe(-1);
  });

  it('refuses arguments that make no sense', async () => {
    const outcome = { outcome: 'notApplied', name: 'InvalidArgumentError' };
    expect(await rejection(publish(1, { expectedVersion: -2 }))).toMatchObject(outcome);
    expect(await rejection(publish(1, { schema: {} }))).toMatchObject(outcome);
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
    expect(await data()).toEqual({ vat: 0.1 });
  });
});
