import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable } from 'rxjs';
import {
  DistributedLock,
  LockBusyError,
  LockSetupError,
  LockUpgradeError,
  WithReadLock,
  WithSemaphore,
  WithWriteLock,
  currentLease,
  type SemaphoreOptions,
} from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';
import { application, sleeper } from './nest-world.js';

let sleep: (ms: number) => Promise<void>;

@Injectable()
class Tariffs {
  running = 0;
  most = 0;

  @WithReadLock('tariffs/{region}')
  async read<T>(region: string, body: () => Promise<T>): Promise<T> {
    return this.count(body);
  }

  @WithWriteLock('tariffs/{region}')
  async write<T>(region: string, body: () => Promise<T>): Promise<T> {
    return this.count(body);
  }

  @WithWriteLock('tariffs/{region}', { wait: 0 })
  async hasty(region: string): Promise<string> {
    return Promise.resolve(region);
  }

  @WithSemaphore('exports/{tenant}', { limit: 2 })
  async export<T>(tenant: string, body: () => Promise<T>): Promise<T> {
    return this.count(body);
  }

  @WithSemaphore('exports/{tenant}', { limit: 2, wait: 0, onBusy: 'skip' })
  async tryExport(tenant: string): Promise<string> {
    return Promise.resolve(tenant);
  }

  @WithSemaphore('live', { limit: 'limits/live', wait: 0 })
  async live(): Promise<string> {
    return Promise.resolve(currentLease().nodePath);
  }

  @WithReadLock((region: string) => `tariffs/${region}`)
  stream(_region: string): Observable<string> {
    return new Observable((subscriber) => subscriber.next(currentLease().nodePath));
  }

  private async count<T>(body: () => Promise<T>): Promise<T> {
    this.most = Math.max(this.most, ++this.running);
    try {
      return await body();
    } finally {
      this.running--;
    }
  }
}

let world: LockWorld;
let ann: Service;
let bob: Service;
let tariffs: Tariffs;
let others: Tariffs;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = world.service('ann');
  bob = world.service('bob');
  tariffs = (await application(ann, [Tariffs])).get(Tariffs);
  others = (await application(bob, [Tariffs])).get(Tariffs);
  sleep = sleeper(ann);
  await world.in(ann, () => ann.zk.connect());
  await world.in(bob, () => bob.zk.connect());
});

describe('@WithReadLock() and @WithWriteLock()', () => {
  it('let readers run together and writers alone', async () => {
    const pause = () => sleep(200);
    await world.in(ann, () =>
      Promise.all([1, 2, 3].map(() => tariffs.read('eu', pause))).then(() => undefined),
    );
    expect(tariffs.most).toBe(3);
    tariffs.most = 0;
    await world.in(ann, () =>
      Promise.all([
        tariffs.write('eu', pause),
        tariffs.write('eu', pause),
        tariffs.read('eu', pause),
      ]).then(() => undefined),
    );
    expect(tariffs.most).toBe(1);
  });

  it('hold over processes', async () => {
    const reading = world.begin(ann, () => tariffs.read('eu', () => sleep(500)));
    await world.pass(100);
    const busy = await rejection(world.in(bob, () => others.hasty('eu')));
    expect(busy).toBeInstanceOf(LockBusyError);
    expect(await world.in(bob, () => others.hasty('us'))).toBe('us');
    await world.world.settle(reading);
    expect(await world.in(bob, () => others.hasty('eu'))).toBe('eu');
  });

  it('read inside of writing on the writer’s lease', async () => {
    const nodes = await world.in(ann, () =>
      tariffs.write('eu', async () => [
        currentLease(),
        await tariffs.read('eu', () => Promise.resolve(currentLease())),
        await tariffs.read('eu', () => tariffs.write('eu', () => Promise.resolve(currentLease()))),
      ]),
    );
    expect(new Set(nodes).size).toBe(1);
  });

  it('read inside of reading on one lease, at the same time', async () => {
    const most = await world.in(ann, () =>
      tariffs.read('eu', async () => {
        await Promise.all([1, 2].map(() => tariffs.read('eu', () => sleep(100))));
        return tariffs.most;
      }),
    );
    expect(most).toBe(3);
    expect(await world.children('/locks/tariffs/eu').catch(() => [])).toEqual([]);
  });

  it('refuse to write inside of reading, which would wait for itself', async () => {
    const error = await rejection(
      world.in(ann, () => tariffs.read('eu', () => tariffs.hasty('eu'))),
    );
    expect(error).toBeInstanceOf(LockUpgradeError);
    expect(error).toMatchObject({ outcome: 'notApplied', path: '/locks/tariffs/eu' });
    expect(String(error)).toMatch(
      /Tariffs\.hasty wants to write .* put the caller under @WithWrite/,
    );
    const other = world.in(ann, () => tariffs.read('eu', () => tariffs.hasty('us')));
    expect(await other).toBe('us');
  });

  it('hold for a stream', async () => {
    const nodes: string[] = [];
    const [subscription] = await world.in(ann, async () => {
      const subscribed = tariffs.stream('eu').subscribe((node) => nodes.push(node));
      await sleep(200);
      return [subscribed];
    });
    expect(nodes).toEqual([expect.stringContaining('__READ__')]);
    const busy = await rejection(world.in(bob, () => others.hasty('eu')));
    expect(busy).toBeInstanceOf(LockBusyError);
    ann.process.run(() => subscription.unsubscribe());
    await world.pass(100);
    expect(await world.in(bob, () => others.hasty('eu'))).toBe('eu');
  });
});

describe('@WithSemaphore()', () => {
  it('lets so many run at a time, over processes', async () => {
    const pause = () => sleep(300);
    const calls = [tariffs, others, tariffs, others].map((object, at) =>
      world.begin(at % 2 === 0 ? ann : bob, () => object.export('acme', pause)),
    );
    let most = 0;
    while (calls.length > 0 && world.world.virtualMs < 5_000) {
      await world.pass(20);
      most = Math.max(most, tariffs.running + others.running);
      if (tariffs.running + others.running === 0 && most > 0) break;
    }
    await world.world.settle(Promise.all(calls));
    expect(most).toBe(2);
  });

  it('follows its policies when it is full', async () => {
    const both = [1, 2].map(() => world.begin(ann, () => tariffs.export('acme', () => sleep(500))));
    await world.pass(200);
    expect(await world.in(bob, () => others.tryExport('acme'))).toBeUndefined();
    expect(await world.in(bob, () => others.tryExport('other'))).toBe('other');
    await world.world.settle(Promise.all(both));
    expect(await world.in(bob, () => others.tryExport('acme'))).toBe('acme');
  });

  it('stands on the permit of its caller', async () => {
    const call = () =>
      tariffs.export('acme', () =>
        tariffs.export('acme', () => tariffs.export('acme', () => Promise.resolve(currentLease()))),
      );
    expect((await world.in(ann, call)).path).toBe('/locks/exports/acme');
  });

  it('takes its limit from a node', async () => {
    const missing = await rejection(world.in(ann, () => tariffs.live()));
    expect(String(missing)).toMatch(/there is no node \/locks\/limits\/live; create it/);
    await world.look((zk) => zk.ensurePath('/locks/limits'));
    await world.look((zk) => zk.create('/locks/limits/live', '0'));
    expect(await rejection(world.in(ann, () => tariffs.live()))).toBeInstanceOf(LockBusyError);
    await world.look((zk) => zk.set('/locks/limits/live', '1'));
    expect(await world.in(ann, () => tariffs.live())).toMatch(/\/locks\/live\/leases\//);
  });
});

describe('a mark that cannot be honoured', () => {
  it('stops the start: no LockModule', async () => {
    @Injectable()
    class Lone {
      @WithReadLock('a')
      async run(): Promise<void> {
        await Promise.resolve();
      }
    }
    const { applicationOf } = await import('../../../test/recipes/nest-application.js');
    const error = await rejection(applicationOf(ann, { providers: [Lone] }));
    expect(String(error)).toMatch(/@WithReadLock\(\).*LockModule\.forRoot|LockModule\.forRoot/);
  });

  it.each([
    [0, /its limit must be a number of permits from 1 to/],
    [1.5, /its limit must be a number of permits from 1 to/],
    [undefined, /its limit must be a number of permits from 1 to 2147483647, .*, not undefined/],
    [NaN, /not NaN$/],
    [3n, /not 3n$/],
    [0x8000_0000, /not 2147483648$/],
    ['a//b', /its limit is not the path of a node/],
    ['', /it names no node below the root/],
    ['/', /it names no node below the root/],
  ])('is refused when the class is defined: a limit of %p', (limit, message) => {
    const define = () => {
      class Wrong {
        @WithSemaphore('a', { limit } as unknown as SemaphoreOptions)
        async run(): Promise<void> {
          await Promise.resolve();
        }
      }
      return Wrong;
    };
    expect(define).toThrow(LockSetupError);
    expect(define).toThrow(message);
    expect(define).toThrow(/@WithSemaphore\(\) on Wrong\.run/);
  });

  it.each([
    ['@WithReadLock', WithReadLock],
    ['@WithWriteLock', WithWriteLock],
  ])('is refused under its own name: %s', (name, decorator) => {
    const climbing = () => {
      class Wrong {
        @decorator('../{id}')
        async run(id: string): Promise<void> {
          await Promise.resolve(id);
        }
      }
      return Wrong;
    };
    expect(climbing).toThrow(`${name}('../{id}') on Wrong.run`);
    const atOnce = () => {
      class Wrong {
        // @ts-expect-error -- what the types refuse, too
        @decorator('a')
        run(): string {
          return 'at once';
        }
      }
      return Wrong;
    };
    expect(atOnce).toThrow(`${name}() on Wrong.run: it returns String`);
  });
});

it('may stand on one class beside each other and @DistributedLock()', async () => {
  @Injectable()
  class Mixed {
    @DistributedLock('m/{0}')
    async alone(_id: string): Promise<string> {
      return this.shared('x');
    }

    @WithReadLock('s/{0}')
    async shared(_id: string): Promise<string> {
      return this.permitted('y');
    }

    @WithSemaphore('p/{0}', { limit: 1 })
    async permitted(_id: string): Promise<string> {
      return Promise.resolve(currentLease().path);
    }
  }
  const cas = world.service('cas');
  const mixed = (await application(cas, [Mixed])).get(Mixed);
  expect(await world.in(cas, () => mixed.alone('z'))).toBe('/locks/p/y');
});
