import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import {
  CounterClient,
  CounterModule,
  CounterSetupError,
  InjectCounter,
  InjectCounters,
  getCounterToken,
  type AtomicCounter,
  type CounterFeature,
  type CounterModuleOptions,
  type IdBlocks,
  type SharedValue,
} from '../src/index.js';
import { CounterWorld, STEADY, type Service } from './counter-world.js';

@Injectable()
class Orders {
  constructor(
    @InjectCounters() readonly counters: CounterClient,
    @InjectCounter('orders') readonly orders: AtomicCounter<bigint>,
    @InjectCounter('small') readonly small: AtomicCounter<number>,
    @InjectCounter('note') readonly note: SharedValue,
    @InjectCounter('ids') readonly ids: IdBlocks,
  ) {}
}

const FEATURES: CounterFeature[] = [
  'orders',
  { path: 'small', kind: 'int32' },
  { path: 'note', kind: 'value' },
  { path: 'ids', kind: 'block', size: 10 },
];

let world: CounterWorld;
let ann: Service;

beforeEach(async () => {
  world = await CounterWorld.start({ network: STEADY });
  ann = world.service('ann');
});

const application = (options: CounterModuleOptions, features: CounterFeature[] = []) =>
  applicationOf(ann, {
    imports: [
      CounterModule.forRoot({ log: ann.log, random: ann.process.random, ...options }),
      CounterModule.forFeature(features),
    ],
  });

async function failure(start: Promise<unknown>): Promise<string> {
  try {
    await start;
  } catch (error) {
    expect(error).toBeInstanceOf(CounterSetupError);
    return (error as Error).message;
  }
  throw new Error('the application started');
}

describe('an application', () => {
  it('is given its counters, and lets them go when it ends', async () => {
    const app = await applicationOf(ann, {
      imports: [CounterModule.forRoot({ log: ann.log }), CounterModule.forFeature(FEATURES)],
      providers: [Orders],
    });
    const { counters, orders, small, note, ids } = app.get(Orders);
    expect(counters).toBe(app.get(CounterClient));
    const done = await world.in(ann, () =>
      Promise.all([orders.add(2n), small.add(3), note.set('hello'), ids.next()]),
    );
    expect(done).toMatchObject([{ value: 2n }, { value: 3 }, { succeeded: true }, 1n]);
    expect(await world.children('/counters')).toEqual([
      '_receipts',
      'ids',
      'note',
      'orders',
      'small',
    ]);
    expect((await world.children('/counters/_receipts')).length).toBeGreaterThan(0);
    await world.in(ann, () => app.close());
    expect(await world.children('/counters/_receipts')).toEqual([]);
    await expect(orders.add(1n)).rejects.toThrow('is shutting down');
  });

  it('has several kinds of counters by name', async () => {
    const app = await applicationOf(ann, {
      imports: [
        CounterModule.forRoot({ log: ann.log }),
        CounterModule.forRoot({ log: ann.log, name: 'audit', root: '/audit' }),
        CounterModule.forFeature(['events'], 'audit'),
      ],
    });
    const events = app.get<AtomicCounter<bigint>>(getCounterToken('events', 'audit'));
    expect(events.path).toBe('/audit/events');
    await world.in(ann, () => app.close());
  });

  it('waits at its end for changes that are under way', async () => {
    const app = await application({}, ['orders']);
    const orders = app.get<AtomicCounter<bigint>>(getCounterToken('orders'));
    const adding = world.begin(ann, () => orders.add(1n));
    await world.pass(5);
    const closing = world.begin(ann, () => app.close());
    expect(await world.world.settle(adding)).toMatchObject({ value: 1n });
    await world.world.settle(closing);
  });

  it('ends in time, if changes cannot', async () => {
    const app = await application({ drain: '400ms' }, ['orders']);
    const orders = app.get<AtomicCounter<bigint>>(getCounterToken('orders'));
    await world.in(ann, () => orders.add(1n));
    world.world.partition(['ann'], ['server']);
    const adding = world.begin(ann, () => orders.add(1n));
    await world.pass(20);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => app.close());
    expect(world.world.virtualMs - startedMs).toBeLessThan(410);
    world.world.heal();
    await world.world.settle(adding);
  });
});

describe('the start of an application stops', () => {
  it.each<[string, CounterModuleOptions, RegExp]>([
    ['root', { root: 'counters' }, /CounterModule "default": root: a path must start with/],
    ['wait', { wait: '5 s' }, /CounterModule "default": wait must be/],
    ['drain', { drain: -1 }, /CounterModule "default": drain must be/],
    ['tries', { tries: 0 }, /CounterModule "default": tries must be a whole number from 1 up/],
    ['receipts', { receipts: '/' }, /"default": receipts: it cannot be the root/],
  ])('with a wrong option: %s', async (_name, options, problem) => {
    expect(await failure(application(options))).toMatch(problem);
  });

  it.each<[CounterFeature, RegExp]>([
    [{ path: 'a', kind: 'block', size: 0 }, /"a": a block has a whole number of ids from 1 up/],
    [{ path: 'a', kind: 'float' as never }, /"a": there is no kind "float" of counters, but int64/],
    ['', /"": counter: the path must be a string, and not empty/],
    [{ path: 'a', lockPath: '/' }, /"a": lockPath: it cannot be the root/],
    [{ path: 'a/..', kind: 'value' }, /"a\/\.\.": counter: a path must not have a component/],
  ])('with a wrong counter: %j', async (feature, problem) => {
    expect(await failure(application({}, [feature]))).toMatch(problem);
  });

  it('with what is no list of counters', () => {
    expect(() => CounterModule.forFeature('orders' as never)).toThrow(
      'CounterModule.forFeature takes a list, such as ["orders"]',
    );
    for (const none of [undefined, null, 5, { kind: 'int64' }]) {
      const define = () => CounterModule.forFeature([none as never]);
      expect(define).toThrow(CounterSetupError);
      expect(define).toThrow(/CounterModule\.forFeature: .* is no counter: write its path/);
    }
  });

  it('without a connection, without forRoot, and with two of one name', async () => {
    const compile = (...imports: Parameters<typeof Test.createTestingModule>[0]['imports'] & {}) =>
      failure(Test.createTestingModule({ imports }).compile());
    expect(await compile(CounterModule.forRoot())).toMatch(/needs ZooKeeperModule\.forRoot/);
    expect(await compile(CounterModule)).toMatch(/import CounterModule\.forRoot/);
    const twice = applicationOf(ann, {
      imports: [CounterModule.forRoot(), CounterModule.forRoot({ root: '/other' })],
    });
    expect(await failure(twice)).toMatch(/"default" is defined more than once/);
  });
});
