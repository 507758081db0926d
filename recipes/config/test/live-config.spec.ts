import { beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Permission } from '@aviary/client';
import {
  ConfigClient,
  ConfigClosedError,
  ConfigMissingError,
  ConfigNotReadyError,
  ConfigRejectedError,
  ConfigUnavailableError,
  type ConfigChange,
  type ConfigSchema,
  type ConfigState,
} from '../src/index.js';
import { ConfigWorld, STEADY, rejection, type Service } from './config-world.js';
import { ManualSchema, Pricing } from './schemas.js';

let world: ConfigWorld;
let ann: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

const PATH = '/config/pricing';
const write = async (value: unknown) => {
  await world.write(PATH, typeof value === 'string' ? value : JSON.stringify(value));
  await world.pass(50);
};

async function ready(initial: unknown = { vat: 0.2 }) {
  await write(initial);
  const live = ann.configs.watch('pricing', { schema: Pricing });
  await world.in(ann, () => live.ready());
  return live;
}

describe('the value', () => {
  it('is what the schema made of the data, and follows them', async () => {
    const live = await ready();
    expect(live.value).toEqual({ vat: 0.2, currency: 'EUR' });
    expect(live.version?.number).toBe(1);
    expect(live.state).toMatchObject({ kind: 'current', version: live.version });
    await write({ vat: 0.1, currency: 'CHF' });
    expect(live.value).toEqual({ vat: 0.1, currency: 'CHF' });
    expect(live.version?.number).toBe(2);
  });

  it('of YAML', async () => {
    await write('vat: 0.2 # as always\nregions: [eu, us]\n');
    const live = ann.configs.watch('pricing', { schema: Pricing, format: 'yaml' });
    const value = await world.in(ann, () => live.ready());
    expect(value).toEqual({ vat: 0.2, currency: 'EUR', regions: ['eu', 'us'] });
  });

  it('is frozen, however deep', async () => {
    const Rich = z
      .object({ since: z.coerce.date(), tags: z.array(z.string()) })
      .transform((raw) => ({
        ...raw,
        set: new Set(raw.tags),
        map: new Map([['tags', raw.tags]]),
      }));
    await write({ since: '2024-01-01', tags: ['a'] });
    const live = ann.configs.watch('pricing', { schema: Rich });
    const value = await world.in(ann, () => live.ready());
    const changes: (() => unknown)[] = [
      () => ((value as { since: unknown }).since = null),
      () => value.tags.push('b'),
      () => value.set.add('b'),
      () => value.map.clear(),
      () => value.map.get('tags')?.push('b'),
      () => value.since.setFullYear(1999),
    ];
    for (const change of changes) expect(change).toThrow(TypeError);
    expect([...value.set]).toEqual(['a']);
    expect(value.since.getUTCFullYear()).toBe(2024);
  });

  it('is not there before the first data, and says why', async () => {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    expect(() => live.value).toThrow(ConfigNotReadyError);
    expect(() => live.value).toThrow(/still being loaded. Await ready\(\) first/);
    await world.pass(100);
    expect(() => live.value).toThrow(/has no value yet: there are no data/);
    await write({ vat: 'much' });
    expect(() => live.value).toThrow(/has no value yet: version 1 was rejected: vat: /);
  });

  it('stays the same object while the data say the same in other words', async () => {
    const live = await ready();
    const { value } = live;
    await write('{ "currency": "EUR",\n "vat": 0.20 }');
    expect(live.version?.number).toBe(2);
    expect(live.value).toBe(value);
  });

  it('stays when the data are deleted, and follows those that come after', async () => {
    const live = await ready();
    await world.look((zk) => zk.delete(PATH));
    await world.pass(50);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { kind: 'missing' } });
    expect(live.value.vat).toBe(0.2);
    await write({ vat: 0.3 });
    // The numbers of the servers begin anew; zxids do not.
    expect(live.version?.number).toBe(1);
    expect(live.value.vat).toBe(0.3);
  });
});

describe('data that do not pass', () => {
  it.each([
    ['by the schema', { vat: 'much' }, 'vat', /expected number/],
    ['by the parser', '{"vat": }', '', /line 1, column 9/],
    ['by their names', '{"vat": 0.1, "__proto__": {"x": 1}}', '', /"__proto__" is not allowed/],
    ['by their length', JSON.stringify({ vat: 1, c: 'x'.repeat(400_000) }), '', /400016 bytes/],
    ['for there are none', '', '', /has no data/],
  ])('%s leave the last value, and say what is wrong', async (_by, data, path, problem) => {
    const live = await ready();
    const states: ConfigState[] = [];
    live.state$.subscribe((state) => states.push(state));
    await write(data);
    expect(live.value).toEqual({ vat: 0.2, currency: 'EUR' });
    expect(live.version?.number).toBe(1);
    expect(states.at(-1)).toMatchObject({
      kind: 'degraded',
      problem: { kind: 'rejected', version: { number: 2 }, issues: [{ path }] },
    });
    expect(ann.lines.at(-1)).toMatch(problem);
    expect(ann.lines.at(-1)).toMatch(/version 2 is rejected: .* Version 1 stays\./);
    await write({ vat: 0.4 });
    expect(live.state.kind).toBe('current');
    expect(live.value.vat).toBe(0.4);
  });

  it('since the schema throws, or does not answer', async () => {
    await write({ vat: 1 });
    const thrower = Pricing.refine(() => {
      throw new Error('out of order');
    });
    const broken = ann.configs.watch(PATH, { schema: thrower, fallback: 'fail' });
    const error = await rejection(world.in(ann, () => broken.ready()));
    expect(error.message).toMatch(/the schema failed: out of order/);
    await world.in(ann, () => broken.close());
    const silent = ann.configs.watch(PATH, { schema: new ManualSchema().schema, fallback: 'fail' });
    const late = await rejection(world.in(ann, () => silent.ready()));
    expect(late.message).toMatch(/the schema failed: no answer within 10000 ms/);
  });
});

describe('validations that overlap', () => {
  let manual: ManualSchema;

  async function watching() {
    manual = new ManualSchema();
    const live = ann.configs.watch('pricing', { schema: manual.schema });
    for (const id of [1, 2, 3]) {
      await write({ id });
      await world.pass(50);
    }
    expect(manual.asked).toEqual([1, 2, 3]);
    return live;
  }
  const answer = async (id: number, isValid = true) => {
    manual.answer(id, isValid);
    await world.pass(1);
  };

  it('never lead back: the newest wins, whichever comes first', async () => {
    const live = await watching();
    await answer(2);
    expect(live.value).toEqual({ id: 2 });
    await answer(1);
    expect(live.value).toEqual({ id: 2 });
    await answer(3);
    expect(live.value).toEqual({ id: 3 });
    expect(live.state).toMatchObject({ kind: 'current', version: { number: 3 } });
  });

  it('take what passed below what was rejected, and stay degraded', async () => {
    const live = await watching();
    await answer(3, false);
    expect(live.state.kind).toBe('degraded');
    await answer(2);
    expect(live.value).toEqual({ id: 2 });
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { version: { number: 3 } } });
    await answer(1, false);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { version: { number: 3 } } });
  });

  it('do not lead back from what was found in the history meanwhile', async () => {
    manual = new ManualSchema();
    const bob = await world.connected('bob');
    const publish = (id: number) => world.in(bob, () => bob.configs.publish('pricing', { id }));
    const live = ann.configs.watch('pricing', { schema: manual.schema });
    await publish(1);
    await world.pass(50);
    world.world.partition(['ann'], ['server']);
    await publish(2);
    await publish(3);
    world.world.heal();
    await world.pass(1_000);
    expect(manual.asked).toEqual([1, 3]);
    await answer(3, false);
    await world.pass(200);
    expect(manual.asked).toEqual([1, 3, 2]);
    await answer(2);
    expect(live.value).toEqual({ id: 2 });
    await answer(1);
    expect([live.value, live.version?.number]).toEqual([{ id: 2 }, 2]);
  });

  it('are few: of what comes meanwhile only the newest is looked at', async () => {
    const live = await watching();
    for (const id of [4, 5, 6, 7]) await write({ id });
    expect(manual.asked).toEqual([1, 2, 3, 4]);
    await answer(1, false);
    await write({ id: 8 });
    expect(manual.asked).toEqual([1, 2, 3, 4, 7]);
    await answer(7);
    expect(live.value).toEqual({ id: 7 });
    await answer(8);
    expect(live.value).toEqual({ id: 8 });
  });
});

describe('changes$', () => {
  it('tells what was, what is and where they differ', async () => {
    const live = await ready({ vat: 0.2, limits: { order: 1, day: 5 }, regions: ['eu'] });
    const changes: ConfigChange<Pricing>[] = [];
    live.changes$.subscribe((change) => {
      changes.push(change);
      expect(live.value).toBe(change.current);
    });
    await write({ vat: 0.2, limits: { order: 2, day: 5 }, regions: ['eu', 'us'] });
    await write({ vat: 0.2, regions: ['us', 'us'], currency: 'EUR' });
    await write({ vat: 'much' });
    expect(changes.map(({ changedPaths }) => changedPaths)).toEqual([
      ['limits.order', 'regions.1'],
      ['limits', 'regions.0'],
    ]);
    expect(changes[1]).toMatchObject({ path: PATH, previous: changes[0]!.current });
    expect(changes[0]).toMatchObject({ version: { number: 2 }, previous: { regions: ['eu'] } });
  });
});

describe('a value that a schema made', () => {
  const follow = async (schema: ConfigSchema<object>) => {
    await write({ n: 1 });
    const live = ann.configs.watch('pricing', { schema });
    const changes: unknown[] = [];
    live.changes$.subscribe(({ changedPaths }) => changes.push(changedPaths));
    await world.in(ann, () => live.ready());
    await write({ n: 2 });
    return { live, changes };
  };

  it('may contain itself', async () => {
    const ring = z.object({ n: z.number() }).transform((raw) => {
      const value: { n: number; self?: unknown } = { ...raw };
      value.self = value;
      return value;
    });
    const { live, changes } = await follow(ring);
    expect(live.value).toMatchObject({ n: 2 });
    expect(changes).toEqual([['n', 'self']]);
  });

  it('may have classes and functions in it, which stay as they are', async () => {
    class Money {
      static readonly currencies = ['EUR'];
    }
    const { live } = await follow(
      z.object({ n: z.number() }).transform((raw) => ({ ...raw, Money })),
    );
    expect(live.value).toEqual({ n: 2, Money });
    expect([Money, Money.prototype, Money.currencies].map(Object.isFrozen)).toEqual(
      Array(3).fill(false),
    );
  });
});

describe('select', () => {
  it('gives a part now, and whenever it differs', async () => {
    const live = await ready({ vat: 0.2, regions: ['eu'] });
    const seen: unknown[] = [];
    const whole: number[] = [];
    live.select(({ regions }) => ({ regions })).subscribe(({ regions }) => seen.push(regions));
    live.select(({ vat }) => vat).subscribe((vat) => whole.push(vat));
    await write({ vat: 0.1, regions: ['eu'] });
    await write({ vat: 0.1, regions: ['us'] });
    await write({ vat: 0.1, regions: ['us'], currency: 'USD' });
    expect(seen).toEqual([['eu'], ['us']]);
    expect(whole).toEqual([0.2, 0.1]);
  });

  it('waits for the first value, and ends when closed', async () => {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const seen: unknown[] = [];
    live
      .select(({ vat }) => vat)
      .subscribe({ next: (vat) => seen.push(vat), complete: () => seen.push('end') });
    await write({ vat: 0.2 });
    await world.in(ann, () => live.close());
    live
      .select(({ vat }) => vat)
      .subscribe({ next: (vat) => seen.push(vat), complete: () => seen.push('end') });
    expect(seen).toEqual([0.2, 'end', 0.2, 'end']);
  });
});

describe('ready', () => {
  it('fails at once with the fallback "fail": missing, rejected', async () => {
    const live = ann.configs.watch('pricing', { schema: Pricing, fallback: 'fail' });
    const missing = await rejection(world.in(ann, () => live.ready({ waitMs: 60_000 })));
    expect(missing).toBeInstanceOf(ConfigMissingError);
    expect(missing.message).toMatch(/\/config\/pricing: there are no data. Publish some, or give/);
    await write({ vat: 2, regions: [7] });
    const rejected = await rejection(world.in(ann, () => live.ready()));
    expect(rejected).toBeInstanceOf(ConfigRejectedError);
    expect(rejected).toMatchObject({ issues: [{ path: 'vat' }, { path: 'regions.0' }] });
    expect(world.world.virtualMs).toBeLessThan(5_000);
  });

  it('waits with the fallback "last-good" for somebody to set it right, but not longer', async () => {
    await write({ vat: 2 });
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const startedMs = world.world.virtualMs;
    const error = await rejection(world.in(ann, () => live.ready({ waitMs: 1_000 })));
    expect(error).toBeInstanceOf(ConfigRejectedError);
    expect(world.world.virtualMs - startedMs).toBeLessThan(1_010);
    const waiting = world.begin(ann, () => live.ready({ waitMs: 5_000 }));
    await write({ vat: 0.5 });
    expect(await world.world.settle(waiting)).toMatchObject({ vat: 0.5 });
  });

  it('begins with the newest published version that passes, with "last-good"', async () => {
    for (const vat of [0.1, 0.2, 3, 4]) {
      await world.in(ann, () => ann.configs.publish('pricing', { vat }));
    }
    const bob = await world.connected('bob');
    const live = bob.configs.watch('pricing', { schema: Pricing });
    expect(await world.in(bob, () => live.ready())).toMatchObject({ vat: 0.2 });
    expect(live.version?.number).toBe(2);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { version: { number: 4 } } });
    expect(bob.lines.at(-1)).toMatch(/begins with version 2/);
    await write({ vat: 0.6 });
    expect(live.value.vat).toBe(0.6);
  });

  it('begins with what was published also where it was deleted, with "last-good"', async () => {
    await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    await world.look((zk) => zk.delete(PATH));
    const live = ann.configs.watch('pricing', { schema: Pricing });
    expect(await world.in(ann, () => live.ready())).toMatchObject({ vat: 0.1 });
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { kind: 'missing' } });
  });

  it('takes the default when there are no valid data', async () => {
    const fallback = { default: { vat: 0.19, currency: 'EUR' } };
    const live = ann.configs.watch('pricing', { schema: Pricing, fallback });
    const changes: unknown[] = [];
    live.changes$.subscribe(({ previous, current }) => changes.push([previous.vat, current.vat]));
    expect(live.value.vat).toBe(0.19);
    await world.in(ann, () => live.ready());
    expect(live.state).toEqual({ kind: 'default' });
    expect(live.version).toBeNull();
    await write({ vat: 7 });
    expect(live.state.kind).toBe('degraded');
    await write({ vat: 0.3 });
    expect(live.state.kind).toBe('current');
    expect(changes).toEqual([[0.19, 0.3]]);
  });

  it('says so when the ensemble does not answer, unless there is a default', async () => {
    world.world.partition(['ann'], ['server']);
    const options = { waitMs: 500 };
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const error = await rejection(world.in(ann, () => live.ready(options)));
    expect(error).toBeInstanceOf(ConfigUnavailableError);
    expect(error.message).toMatch(/the ensemble did not show it within 500 ms/);
    const other = ann.configs.watch('other', { fallback: { default: { a: 1 } } });
    expect(await world.in(ann, () => other.ready(options))).toEqual({ a: 1 });
  });

  it.each([NaN, -1, '5s'])('refuses to wait for %p', async (waitMs) => {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const error = await rejection(live.ready({ waitMs: waitMs as number }));
    expect(error.message).toMatch(
      /ready .*: waitMs must be a number of milliseconds from 0 up, not/,
    );
  });

  it('waits without limit for Infinity', async () => {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const waiting = world.begin(ann, () => live.ready({ waitMs: Infinity }));
    await world.pass(60_000);
    await write({ vat: 0.5 });
    expect(await world.world.settle(waiting)).toMatchObject({ vat: 0.5 });
  });

  it('ends with its signal, and with the configuration', async () => {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    const controller = new AbortController();
    world.world.after(100, () => controller.abort(new Error('enough')));
    const aborted = await rejection(world.in(ann, () => live.ready({ signal: controller.signal })));
    expect(aborted).toMatchObject({ name: 'AbortedError', cause: { message: 'enough' } });
    const waiting = rejection(world.begin(ann, () => live.ready()));
    await world.pass(10);
    await world.in(ann, () => live.close());
    expect(await waiting).toBeInstanceOf(ConfigClosedError);
    expect(live.state.kind).toBe('closed');
  });
});

it('is closed when its client is, which nobody can follow any more', async () => {
  const live = await ready();
  const tree = ann.configs.watch('orders', { format: 'properties' });
  const waiting = rejection(world.begin(ann, () => tree.ready()));
  const ends: string[] = [];
  live.state$.subscribe({ next: ({ kind }) => ends.push(kind), complete: () => ends.push('end') });
  await world.in(ann, () => ann.zk.close());
  expect(await world.world.settle(waiting)).toBeInstanceOf(ConfigClosedError);
  expect(ends).toEqual(['current', 'closed', 'end']);
  expect(live.value.vat).toBe(0.2);
  expect(ann.configs.configs).toEqual([]);
});

it('leaves no timer when it is closed while a schema is silent', async () => {
  await write({ id: 1 });
  const { clock } = ann.process;
  const open = new Set<object>();
  const setTimer = clock.setTimer.bind(clock);
  clock.setTimer = (delayMs, callback) => {
    const timer = setTimer(delayMs, callback);
    if (delayMs === 7_777) open.add(timer);
    return { cancel: () => (open.delete(timer), timer.cancel()) };
  };
  const configs = new ConfigClient(ann.zk, { validationMs: 7_777 });
  const live = configs.watch('pricing', { schema: new ManualSchema().schema });
  await world.pass(100);
  expect(open.size).toBe(1);
  await world.in(ann, () => live.close());
  expect(open.size).toBe(0);
});

it('asks again while the servers refuse to show the data', async () => {
  await write({ vat: 0.2 });
  const everybodyMay = (perms: number) => [{ perms, id: { scheme: 'world', id: 'anyone' } }];
  const { admin, all } = Permission;
  await world.look((zk) => zk.setAcl(PATH, everybodyMay(admin)));
  const live = ann.configs.watch('pricing', { schema: Pricing, fallback: 'fail' });
  const error = await rejection(world.in(ann, () => live.ready()));
  expect(error).toBeInstanceOf(ConfigUnavailableError);
  expect(error.message).toMatch(/it cannot be read: /);
  await world.look((zk) => zk.setAcl(PATH, everybodyMay(all)));
  await world.pass(2_000);
  expect(live.value.vat).toBe(0.2);
});

it('is one object for each path, and refuses to be two', async () => {
  const live = ann.configs.watch('pricing', { schema: Pricing });
  expect(ann.configs.watch(PATH, { schema: Pricing })).toBe(live);
  expect(() => ann.configs.watch(PATH, { schema: z.unknown() })).toThrow(
    'the configuration /config/pricing is followed already, with another schema',
  );
  await world.in(ann, () => live.close());
  expect(ann.configs.watch(PATH, { schema: z.unknown() })).not.toBe(live);
});

it.each<[string, unknown, unknown, RegExp]>([
  ['an empty path', '', {}, /must be a string, and not empty/],
  ['no path', undefined, {}, /must be a string, and not empty/],
  ['the root', '/', {}, /the root cannot be one/],
  ['a path that climbs', '../secrets', {}, /must not have a component ".."/],
  ['a path that ends with a slash', '/config/', {}, /must not end with/],
  ['a path among the records', '/config-records/a', {}, /where records of configurations are kept/],
  ['a schema that is none', 'a', { schema: { parse: () => 1 } }, /the schema is none: it must be/],
  ['a schema that is text', 'a', { schema: 'x' }, /the schema is none/],
  ['an unknown format', 'a', { format: 'toml' }, /there is no format "toml"/],
  ['an unknown fallback', 'a', { fallback: 'none' }, /fallback must be "last-good", "fail" or/],
  ['a default that is none', 'a', { fallback: { default: undefined } }, /fallback must be/],
])('refuses %s', (_what, path, options, problem) => {
  expect(() => ann.configs.watch(path as string, options as object)).toThrow(problem);
  expect(ann.configs.configs).toEqual([]);
});
