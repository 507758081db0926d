import { beforeEach, describe, expect, it } from '@jest/globals';
import { DeadlineExceededError, InvalidArgumentError } from '@aviary/client';
import fc from 'fast-check';
import { Subscription } from 'rxjs';
import { rejection } from '../../../test/rejection.js';
import {
  CounterContendedError,
  CounterFormatError,
  CounterOverflowError,
  CountersClosedError,
  type CounterChange,
  type CounterClient,
} from '../src/index.js';
import { int32, int64 } from '../src/core/number-format.js';
import { CounterWorld, STEADY, type Service } from './counter-world.js';

const INT64_MAX = 2n ** 63n - 1n;
const INT32_MAX = 2 ** 31 - 1;

let world: CounterWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await CounterWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const bytesAt = async (path: string) => (await world.look((zk) => zk.get(path))).data;
const write = (path: string, data: string | Buffer) =>
  world.look(async (zk) => {
    await zk.ensurePath(path);
    await zk.set(path, data);
  });

describe('the bytes', () => {
  it('are those of a DistributedAtomicLong: eight, most significant first', async () => {
    await world.in(ann, () => ann.counters.int64('a').add(0x0102030405060708n));
    expect(await bytesAt('/counters/a')).toEqual(Buffer.from('0102030405060708', 'hex'));
    await world.in(ann, () => ann.counters.int64('a').set(-2n));
    expect(await bytesAt('/counters/a')).toEqual(Buffer.from('fffffffffffffffe', 'hex'));
  });

  it('are those of a SharedCount: four, most significant first', async () => {
    await world.in(ann, () => ann.counters.int32('a').add(0x01020304));
    expect(await bytesAt('/counters/a')).toEqual(Buffer.from('01020304', 'hex'));
    await world.in(ann, () => ann.counters.int32('a').set(-2));
    expect(await bytesAt('/counters/a')).toEqual(Buffer.from('fffffffe', 'hex'));
  });

  it('mean what was written, for every number that fits', () => {
    const anyInt64 = fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX });
    fc.assert(
      fc.property(anyInt64, fc.integer(), (wide, narrow) => {
        expect(int64.read(int64.write(wide), '/a')).toBe(wide);
        expect(int32.read(int32.write(narrow), '/a')).toBe(narrow);
      }),
      { seed: 1 },
    );
  });

  it('of an empty node, or of none, are a 0', async () => {
    await write('/counters/empty', '');
    for (const name of ['empty', 'missing']) {
      expect(await world.in(ann, () => ann.counters.int64(name).get())).toBe(0n);
      expect(await world.in(ann, () => ann.counters.int32(name).get())).toBe(0);
      const change = await world.in(ann, () => ann.counters.int64(name).add(5n));
      expect(change).toMatchObject({ before: 0n, value: 5n, ambiguous: false, tries: 1 });
    }
  });

  it('of something else are refused, and stay', async () => {
    await write('/counters/text', '17');
    const { counters } = ann;
    const errors = [
      await rejection(world.in(ann, () => counters.int64('text').add(1n))),
      await rejection(world.in(ann, () => counters.int32('text').get())),
    ];
    for (const error of errors) expect(error).toBeInstanceOf(CounterFormatError);
    expect(errors[0]?.message).toBe(
      'the counter /counters/text cannot be read: it holds 2 bytes, and not 8 or none',
    );
    expect(String(await bytesAt('/counters/text'))).toBe('17');
  });
});

describe('a result that does not fit', () => {
  it('is refused, and nothing is written', async () => {
    const wide = ann.counters.int64('wide');
    const narrow = ann.counters.int32('narrow');
    await world.in(ann, () => Promise.all([wide.set(INT64_MAX), narrow.set(-INT32_MAX - 1)]));
    const error = await rejection(world.in(ann, () => wide.add(1n)));
    expect(error).toBeInstanceOf(CounterOverflowError);
    expect(error).toMatchObject({ value: INT64_MAX, outcome: 'notApplied' });
    expect(await rejection(world.in(ann, () => narrow.add(-1)))).toBeInstanceOf(
      CounterOverflowError,
    );
    expect(await world.in(ann, () => wide.get())).toBe(INT64_MAX);
    expect(await world.in(ann, () => narrow.get())).toBe(-INT32_MAX - 1);
  });

  it('is refused before anything is asked if the argument does not fit', async () => {
    const tooWide = rejection(ann.counters.int64('a').set(INT64_MAX + 1n));
    expect(await tooWide).toBeInstanceOf(CounterOverflowError);
  });

  it.each<[string, (counters: CounterClient) => Promise<unknown>, string]>([
    ['a fraction', (c) => c.int32('a').add(1.5), '32 bits counts whole numbers such as 1, not the'],
    ['a bigint', (c) => c.int32('a').add(1n as never), 'such as 1, not the bigint 1'],
    ['a number', (c) => c.int64('a').add(1 as never), 'bigint, such as 1n, not the number 1'],
    ['text', (c) => c.int64('a').set('1' as never), 'such as 1n, not the string 1'],
    ['nothing', (c) => c.int64('a').add(undefined as never), 'not the undefined undefined'],
    ['a number to compare', (c) => c.int64('a').compareAndSet(0 as never, 1n), 'the number 0'],
    ['a time that is none', (c) => c.int64('a').get({ waitMs: NaN }), 'waitMs must be a number'],
    [
      'a controller',
      (c) => c.int64('a').add(1n, { signal: new AbortController() as never }),
      'signal must be an AbortSignal, such as controller.signal',
    ],
    ['no bytes', (c) => c.value('a').set(null as never), 'a string or a Uint8Array, not null'],
    [
      'a promise of bytes',
      (c) => c.value('a').update((() => Promise.resolve('x')) as never),
      'a string or a Uint8Array, not [object Promise]',
    ],
  ])('is refused with what to write instead: %s', async (_, call, message) => {
    const error = await rejection(world.in(ann, () => call(ann.counters)));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toContain(message);
    // The next one has its turn.
    await world.in(ann, () => ann.counters.int64('a').add(1n, { waitMs: 100 }));
  });
});

it('a change costs two round trips', async () => {
  const counter = ann.counters.int64('a');
  await world.in(ann, () => counter.add(1n));
  const startedMs = world.world.virtualMs;
  await world.in(ann, () => counter.add(1n));
  // 10 ms each way, and what the disk takes.
  expect(world.world.virtualMs - startedMs).toBeGreaterThanOrEqual(40);
  expect(world.world.virtualMs - startedMs).toBeLessThan(50);
});

it('compares before it sets, and says what was there', async () => {
  const counter = ann.counters.int64('a');
  const exchange = (expected: bigint, value: bigint) =>
    world.in(ann, () => counter.compareAndSet(expected, value));
  expect(await exchange(0n, 3n)).toMatchObject({ succeeded: true, before: 0n, value: 3n });
  expect(await exchange(0n, 4n)).toMatchObject({ succeeded: false, before: 3n, value: 3n });
  const initialize = (name: string) => world.in(ann, () => ann.counters.int64(name).initialize(9n));
  expect(await initialize('a')).toMatchObject({ succeeded: false, value: 3n });
  expect(await initialize('b')).toMatchObject({ succeeded: true, value: 9n });
  expect(await world.in(bob, () => bob.counters.int64('b').get())).toBe(9n);
});

describe('many changes at the same time', () => {
  it('of one process do not compete with one another', async () => {
    const counter = ann.counters.int64('a');
    const changes = await world.in(ann, () =>
      Promise.all(Array.from({ length: 30 }, () => counter.add(1n))),
    );
    expect(changes.every(({ tries }) => tries === 1)).toBe(true);
    expect(changes.map(({ value }) => value)).toEqual(
      Array.from({ length: 30 }, (_, at) => BigInt(at + 1)),
    );
  });

  it('of several processes are all applied, once each', async () => {
    const services = [ann, bob, await world.connected('cas'), await world.connected('dan')];
    const adding = services.flatMap((service) =>
      Array.from({ length: 10 }, () =>
        world.begin(service, () => service.counters.int64('a').add(1n)),
      ),
    );
    const changes = await world.world.settle(Promise.all(adding), { virtualMsMax: 60_000 });
    const values = changes.map(({ value }) => Number(value)).sort((one, other) => one - other);
    expect(values).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    expect(changes.some(({ tries }) => tries > 1)).toBe(true);
  });

  it('take a lock when they were too often too late, and then are not', async () => {
    const services = await Promise.all(
      ['u', 'v', 'w', 'x'].map((name) =>
        Promise.resolve(world.service(name, {}, { tries: 1, receipts: false })),
      ),
    );
    const changes: CounterChange<bigint>[] = [];
    const adding = services.map((service) =>
      world.begin(service, async () => {
        const counter = service.counters.int64('a', { lockPath: '/promoted' });
        for (let at = 0; at < 5; at++) {
          const change = await counter.add(1n).catch((error: unknown) => {
            // Somebody without the lock was faster than who has it: with one try that may be.
            expect(error).toBeInstanceOf(CounterContendedError);
            return null;
          });
          if (change !== null) changes.push(change);
        }
      }),
    );
    await world.world.settle(Promise.all(adding), { virtualMsMax: 60_000 });
    expect(changes.some(({ tries }) => tries === 2)).toBe(true);
    expect(await world.in(ann, () => ann.counters.int64('a').get())).toBe(BigInt(changes.length));
    await world.pass(3_000);
    expect(world.port.tree.findText('/promoted')).toBe(-1);
    expect(world.watchCount).toBe(0);
  });

  it('end as other calls do while somebody else has the lock', async () => {
    const cas = world.service('cas', {}, { tries: 1 });
    await world.look(async (zk) => {
      await zk.ensurePath('/counters/a-lock');
      await zk.create('/counters/a-lock/_c_theirs-lock-0000000000');
    });
    const add = (waitMs: number) => cas.counters.int64('a').add(1n, { waitMs });
    const late = await rejection(world.in(cas, () => add(300)));
    expect(late).toBeInstanceOf(DeadlineExceededError);
    expect(late.message).toMatch(/^counter \/counters\/a: the counter lock .* within \d+ ms/);
    const closed = rejection(world.begin(cas, () => add(60_000)));
    await world.pass(200);
    await world.in(cas, () => cas.counters.close());
    expect(await closed).toBeInstanceOf(CountersClosedError);
  });

  it('end with an error without a lock to take', async () => {
    const cas = world.service('cas', {}, { tries: 1 });
    const counter = cas.counters.int64('a', { lockPath: false });
    await world.in(cas, () => counter.add(1n));
    const adding = rejection(world.begin(cas, () => counter.add(1n)));
    // After its read and before its write.
    world.world.after(12, () => void world.begin(ann, () => ann.zk.set('/counters/a', '')));
    const error = await world.world.settle(adding);
    expect(error).toBeInstanceOf(CounterContendedError);
    expect(error).toMatchObject({ outcome: 'notApplied', tries: 1 });
  });
});

describe('ids in blocks', () => {
  it('are given out once, over processes, with one change for each block', async () => {
    const given: bigint[] = [];
    const taking = [ann, bob].map((service) =>
      world.begin(service, async () => {
        const ids = service.counters.block('ids', 10);
        for (let at = 0; at < 25; at++) given.push(await ids.next());
        expect(ids.left).toBe(5);
      }),
    );
    await world.world.settle(Promise.all(taking));
    expect(new Set(given).size).toBe(50);
    expect(await world.in(ann, () => ann.counters.int64('ids').get())).toBe(60n);
    const stat = await world.look((zk) => zk.exists('/counters/ids'));
    expect(stat?.version).toBe(5);
  });

  it('begin with 1, and one block serves all who wait', async () => {
    const ids = ann.counters.block('ids', 3);
    const next = () => ids.next();
    const given = await world.in(ann, () => Promise.all([next(), next(), next(), next()]));
    expect(given).toEqual([1n, 2n, 3n, 4n]);
    const block = await world.in(ann, () => ids.take());
    expect(block).toEqual({ first: 7n, last: 9n });
  });

  it('are waited for as long as the caller says, whatever other calls take', async () => {
    const cas = await world.connected('cas', {}, { waitMs: 500 });
    const ids = cas.counters.block('ids', 3);
    world.world.partition(['cas'], ['server']);
    const soon = rejection(world.begin(cas, () => ids.next()));
    const later = world.begin(cas, () => ids.next({ waitMs: 60_000 }));
    await world.pass(2_000);
    world.world.heal();
    expect(await soon).toBeInstanceOf(DeadlineExceededError);
    expect(await world.world.settle(later)).toBe(1n);
  });

  it('of no size are refused', () => {
    expect(() => ann.counters.block('ids', 0)).toThrow('a whole number of ids from 1 up, not 0');
  });
});

describe('a shared value', () => {
  it('is written if nobody else has written since', async () => {
    const mine = ann.counters.value('v');
    const theirs = bob.counters.value('v');
    const first = await world.in(ann, () => mine.set('one'));
    expect(first).toMatchObject({ succeeded: true, version: 0, ambiguous: false });
    const seen = await world.in(ann, () => mine.get());
    expect(seen).toMatchObject({ data: Buffer.from('one'), version: 0 });
    // The same bytes, written anew.
    await world.in(bob, () => theirs.set('one'));
    expect(await world.in(ann, () => mine.trySet(seen, 'two'))).toMatchObject({
      succeeded: false,
      version: null,
      before: { data: Buffer.from('one'), version: 1 },
    });
    const changed = await world.in(ann, () =>
      mine.update(({ data }) => Buffer.concat([data, Buffer.from('!')])),
    );
    expect(changed).toMatchObject({ succeeded: true, version: 2 });
    expect(String(await bytesAt('/counters/v'))).toBe('one!');
  });

  it('is written as it was given, whatever becomes of the caller’s bytes', async () => {
    const value = ann.counters.value('v');
    const bytes = Buffer.from('one');
    await world.in(ann, () => {
      const writing = value.set(bytes);
      bytes.fill('x');
      return writing;
    });
    expect(String(await bytesAt('/counters/v'))).toBe('one');
  });

  it('tells everybody its changes, over one watch', async () => {
    const value = ann.counters.value('v');
    const seen: string[][] = [[], []];
    const subscriptions = new Subscription();
    ann.process.run(() => {
      for (const texts of seen) {
        subscriptions.add(value.value$.subscribe(({ data }) => texts.push(String(data))));
      }
    });
    await world.pass(50);
    for (const text of ['one', 'two']) {
      await world.in(bob, () => bob.counters.value('v').set(text));
      await world.pass(100);
    }
    expect(seen).toEqual([
      ['', 'one', 'two'],
      ['', 'one', 'two'],
    ]);
    expect(ann.zk.watchCount).toBe(1);
    ann.process.run(() => subscriptions.unsubscribe());
    await world.pass(50);
    expect(ann.zk.watchCount).toBe(0);
    expect(world.watchCount).toBe(0);
  });
});

describe('a call', () => {
  it('ends with its time, and with its signal, whatever the connection does', async () => {
    world.world.partition(['ann'], ['server']);
    const startedMs = world.world.virtualMs;
    const counter = ann.counters.int64('a');
    const controller = new AbortController();
    const calls: (() => Promise<unknown>)[] = [
      () => counter.add(1n, { waitMs: 300 }),
      () => counter.add(1n, { waitMs: 300 }),
      () => counter.add(1n, { signal: controller.signal }),
      () => counter.get({ waitMs: 300 }),
      () => ann.counters.block('ids', 5).next({ waitMs: 300 }),
    ];
    world.world.after(250, () => ann.process.run(() => controller.abort()));
    const errors = await world.world.settle(
      Promise.all(calls.map((call) => rejection(world.begin(ann, call)))),
    );
    expect(errors.every(({ outcome }) => outcome === 'notApplied')).toBe(true);
    expect(world.world.virtualMs - startedMs).toBeLessThan(310);
  });

  it('is refused at the end, if it has not had its turn; the one under way is waited for', async () => {
    const counter = ann.counters.int64('a');
    const first = world.begin(ann, () => counter.add(1n));
    const second = rejection(world.begin(ann, () => counter.add(1n)));
    await world.pass(5);
    await world.in(ann, () => ann.counters.close());
    expect(await first).toMatchObject({ value: 1n, ambiguous: false });
    expect(await second).toBeInstanceOf(CountersClosedError);
  });

  it('is refused after the end', async () => {
    await world.in(ann, () => ann.counters.int64('a').add(1n));
    expect(await world.children('/counters/_receipts')).toHaveLength(1);
    await world.in(ann, () => ann.counters.close());
    const error = await rejection(world.in(ann, () => ann.counters.int64('a').add(1n)));
    expect(error).toBeInstanceOf(CountersClosedError);
    expect(await world.children('/counters/_receipts')).toEqual([]);
  });
});

it.each([
  ['', 'counter: the path must be a string, and not empty'],
  ['/', 'counter: it cannot be the root'],
  ['a/../b', 'must not have a component ".."'],
])('refuses the path "%s"', (path, problem) => {
  expect(() => ann.counters.int64(path)).toThrow(problem);
});
