import { Injectable, Module, Scope, type Type } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { getZooKeeperToken } from '@aviary/nest';
import {
  DistributedLock,
  InjectLocks,
  LockClient,
  LockModule,
  LockSetupError,
  WithReadLock,
  currentLease,
  getLocksToken,
} from '../src/index.js';
import type { DistributedLockOptions, LockModuleOptions } from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';
import { application } from './nest-world.js';

@Injectable()
class Orders {
  @DistributedLock('orders/{id}', { wait: 0 })
  async settle(id: string): Promise<string> {
    return Promise.resolve(`${id} ${currentLease().sessionId}`);
  }
}

/** What defining a class throws; null: nothing. */
function definition(define: () => unknown): unknown {
  try {
    define();
  } catch (error) {
    return error;
  }
  return null;
}

/** The decorator without its types. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- they would not let most of these pass
const put = (key: unknown, options?: unknown): any =>
  DistributedLock(key as string, options as DistributedLockOptions);

describe('a class is not defined', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'whose template names no parameter',
      () => {
        class Wrong {
          @put('orders/{order}')
          async settle(_id: string): Promise<void> {}
        }
        return Wrong;
      },
      /^LockSetupError: @DistributedLock\('orders\/{order}'\) on Wrong\.settle: .* but _id; name/,
    ],
    [
      'with the mark on a static method',
      () => {
        class Wrong {
          @put('a')
          static async settle(): Promise<void> {}
        }
        return Wrong;
      },
      /on Wrong\.settle: a static method has no application/,
    ],
    [
      'with the mark on a getter',
      () => {
        class Wrong {
          @put('a')
          get settled(): Promise<boolean> {
            return Promise.resolve(true);
          }
        }
        return Wrong;
      },
      /on Wrong\.settled: it belongs on a method, not on a property or an accessor/,
    ],
    [
      'with the mark on a property',
      () => {
        class Wrong {
          @put('a')
          settle = async () => Promise.resolve();
        }
        return Wrong;
      },
      /on Wrong\.settle: it belongs on a method, not on a property/,
    ],
    [
      'with the mark on itself',
      () => {
        @put('a')
        class Wrong {}
        return Wrong;
      },
      /on Wrong: it belongs on a method, not on a class/,
    ],
    [
      'with the mark on a method that answers at once',
      () => {
        class Wrong {
          @put('a')
          count(): number {
            return 1;
          }
        }
        return Wrong;
      },
      /on Wrong\.count: it returns Number, but .* a Promise or an Observable/,
    ],
    [
      'with the mark on a generator',
      () => {
        class Wrong {
          @put('a')
          async *rows(): AsyncGenerator<number> {
            yield Promise.resolve(1);
          }
        }
        return Wrong;
      },
      /on Wrong\.rows: a generator has no end/,
    ],
    ['with a wait that is no time', () => on({ wait: '5 sec' }), /wait must be .* not "5 sec"/],
    ['with a negative wait', () => on({ wait: -1 }), /wait must be .* not -1/],
    ['with a maxHold that is no time', () => on({ maxHold: 'x' }), /maxHold must be/],
    ['with a wait that no JSON knows', () => on({ wait: 5n }), /wait must be .* not 5n/],
    ['with an unknown onBusy', () => on({ onBusy: 'retry' }), /onBusy must be "throw", .* "retry"/],
    ['with an unknown onLost', () => on({ onLost: 'exit' }), /onLost must be "abort", .* "exit"/],
    ['without a key', () => on({}, null), /its key must be a path or a function .* not null/],
    ['with options that are none', () => on(null), /its options must be an object, not null/],
    ['with locks of no name', () => on({ locks: '' }), /locks must be the name of a LockModule/],
  ])('%s', (_what, mark, problem) => {
    const error = definition(mark);
    expect(error).toBeInstanceOf(LockSetupError);
    expect(String(error)).toMatch(problem);
  });

  function on(options: unknown, key: unknown = 'a'): unknown {
    class Wrong {
      @put(key, options)
      async settle(): Promise<void> {}
    }
    return Wrong;
  }
});

describe('the start of an application stops', () => {
  let world: LockWorld;
  let ann: Service;

  beforeEach(async () => {
    world = await LockWorld.start({ network: STEADY });
    ann = world.service('ann');
  });

  const connection = () => ({ provide: getZooKeeperToken(), useValue: ann.zk });

  it.each([Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT])(
    'without LockModule, whatever the scope (%i)',
    async (scope) => {
      @Injectable({ scope })
      class Scoped extends Orders {}
      const testing = Test.createTestingModule({ providers: [Scoped] });
      const error = await rejection(testing.compile());
      expect(String(error)).toMatch(
        /resolve dependencies of the Scoped.*its @DistributedLock\(\) needs LockModule\.forRoot/,
      );
    },
  );

  it('without the locks of that name', async () => {
    class Audit {
      @DistributedLock('audit', { locks: 'audit' })
      async run(): Promise<void> {}
    }
    const made = await rejection(application(ann, [Audit]));
    expect(String(made)).toMatch(/needs LockModule\.forRoot\(\.\.\.\) with the name "audit"/);
    const given = await rejection(application(ann, [{ provide: Audit, useValue: new Audit() }]));
    expect(given).toBeInstanceOf(LockSetupError);
    expect(String(given)).toMatch(/Audit\.run needs LockModule\.forRoot\(.*name "audit"/);
  });

  it('without a connection', async () => {
    const compile = (options: Parameters<typeof LockModule.forRoot>[0]) =>
      rejection(Test.createTestingModule({ imports: [LockModule.forRoot(options)] }).compile());
    expect(await compile({})).toMatchObject({
      name: 'LockSetupError',
      message: 'LockModule "default" needs ZooKeeperModule.forRoot(...) in the imports',
    });
    expect(String(await compile({ connection: 'audit' }))).toMatch(/with the name "audit" in the/);
  });

  it.each<[string, LockModuleOptions, RegExp]>([
    ['root', { root: 'locks' }, /LockModule "default": root: a path must start with/],
    ['wait', { wait: '5 s' }, /LockModule "default": wait must be/],
    ['drain', { drain: -1 }, /LockModule "default": drain must be/],
    ['attemptMs', { attemptMs: NaN }, /attemptMs must be/],
    ['root', { root: 5 as never }, /root must be a path such as "\/locks", not number/],
    ['layout', { layout: 'Curator' as never }, /layout must be "curator" or "kazoo", not Curator/],
    ['acl', { acl: [] }, /acl must be a list with an entry; leave it out/],
    ['identity', { identity: 'a\nb' }, /identity must be one line of at most/],
    [
      'onForeignContender',
      { onForeignContender: 'ignore' as never },
      /onForeignContender must be "throw" or "warn", not "ignore"/,
    ],
  ])('with a wrong option: %s', async (_name, options, problem) => {
    const error = await rejection(application(ann, [], options));
    expect(error).toBeInstanceOf(LockSetupError);
    expect(String(error)).toMatch(problem);
  });

  it('with options that a factory forgot to return', async () => {
    const locks = LockModule.forRootAsync({ useFactory: () => undefined as never });
    const error = await rejection(application(ann, [], {}, { imports: [locks] }));
    expect(String(error)).toMatch(/must be an object, not undefined; does the factory return them/);
  });

  it('with LockModule imported as a class, or twice by the same name', async () => {
    const testing = Test.createTestingModule({ imports: [LockModule], providers: [connection()] });
    expect(String(await rejection(testing.compile()))).toMatch(/import LockModule\.forRoot/);
    const twice = application(ann, [], {}, { imports: [LockModule.forRoot({ root: '/other' })] });
    expect(String(await rejection(twice))).toMatch(/"default" is defined more than once/);
  });

  it('with an object that another application uses, or that is frozen', async () => {
    const shared = { provide: Orders, useValue: new Orders() };
    const first = await application(ann, [shared]);
    const second = world.service('bob');
    const error = await rejection(application(second, [shared]));
    expect(String(error)).toMatch(/Orders\.settle: its object belongs to two applications/);
    await world.in(ann, () => first.close());
    const app = await application(second, [shared]);
    const settled = await world.in(second, () => app.get(Orders).settle('a'));
    expect(settled).toBe(`a ${second.zk.sessionId}`);
    const frozen = { provide: Orders, useValue: Object.freeze(new Orders()) };
    expect(String(await rejection(application(ann, [frozen])))).toMatch(/object is frozen/);
  });

  it('with a substitute for its locks that could not guard anything', async () => {
    const testing = Test.createTestingModule({ providers: [Orders] }).useMocker(() => ({}));
    expect(String(await rejection(testing.compile()))).toMatch(/was given a substitute/);
  });
});

describe('the locks of an application', () => {
  let world: LockWorld;
  let ann: Service;

  beforeEach(async () => {
    world = await LockWorld.start({ network: STEADY });
    ann = world.service('ann');
  });

  const settle = (orders: Orders) => world.in(ann, () => orders.settle('a'));

  it.each<[string, (type: Type<Orders>) => object]>([
    ['a value', (type) => ({ useValue: new type() })],
    ['a factory', (type) => ({ useFactory: () => new type() })],
    ['a factory of promises', (type) => ({ useFactory: () => Promise.resolve(new type()) })],
    ['a class', (type) => ({ useClass: type })],
  ])('reach an object that is provided as %s', async (_how, provider) => {
    const app = await application(ann, [{ provide: Orders, ...provider(Orders) } as never]);
    expect(await settle(app.get(Orders))).toBe(`a ${ann.zk.sessionId}`);
  });

  it('reach every object of a request-scoped or transient class', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Orders {}
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Orders {}
    const app = await application(ann, [PerRequest, Transient]);
    for (const type of [PerRequest, Transient]) {
      const some = [ContextIdFactory.create(), ContextIdFactory.create()];
      const [one, other] = await Promise.all(some.map((id) => app.resolve(type, id)));
      expect(one).not.toBe(other);
      for (const orders of [one, other]) {
        expect(await settle(orders!)).toBe(`a ${ann.zk.sessionId}`);
      }
    }
  });

  it('reach modules that do not import them, unless they are not global', async () => {
    @Module({ providers: [Orders], exports: [Orders] })
    class Shop {}
    const app = await application(ann, [], {}, { imports: [Shop] });
    expect(await settle(app.get(Orders, { strict: false }))).toMatch(/^a /);
    const local = LockModule.forRoot({ name: 'local', isGlobal: false });
    class Audit {
      @DistributedLock('audit', { locks: 'local' })
      async run(): Promise<string> {
        return Promise.resolve(currentLease().path);
      }
    }
    @Module({ providers: [Audit] })
    class Outside {}
    const imports = [local, Outside];
    expect(String(await rejection(application(ann, [], {}, { imports })))).toMatch(/"local"/);
    @Module({ imports: [local], providers: [Audit] })
    class Inside {}
    const inside = await application(ann, [], {}, { imports: [Inside] });
    const audit = inside.get(Audit, { strict: false });
    expect(await world.in(ann, () => audit.run())).toBe('/locks/audit');
  });

  it('are of the connection, the root and the defaults that were asked for', async () => {
    const bob = world.service('bob');
    @Injectable()
    class Audit {
      constructor(
        @InjectLocks('audit') readonly audit: LockClient,
        readonly locks: LockClient,
      ) {}

      @DistributedLock('{key}', { locks: 'audit' })
      async run(key: string): Promise<string> {
        return Promise.resolve(`${currentLease().path} ${currentLease().sessionId} ${key}`);
      }

      @DistributedLock('{0}')
      async slow(_key: string): Promise<void> {
        await new Promise<void>((resolve) => ann.process.clock.setTimer(400, resolve));
      }
    }
    @Module({
      providers: [{ provide: getZooKeeperToken('second'), useFactory: () => bob.zk }],
      exports: [getZooKeeperToken('second')],
    })
    class Second {}
    const second = LockModule.forRootAsync({
      imports: [Second],
      name: 'audit',
      connection: 'second',
      useFactory: () => Promise.resolve({ root: '/audit', identity: 'the auditor' }),
    });
    const app = await application(
      ann,
      [Audit],
      { wait: 100, maxHold: 300 },
      { imports: [Second, second] },
    );
    const audit = app.get(Audit);
    expect([app.get(getLocksToken()), app.get(getLocksToken('audit'))]).toEqual([
      audit.locks,
      audit.audit,
    ]);
    const ran = await world.in(bob, () => audit.run('a'));
    expect(ran).toBe(`/audit/a ${bob.zk.sessionId} a`);
    await world.look((zk) => zk.ensurePath('/locks/a'));
    await world.in(ann, () => ann.zk.connect());
    const slow = rejection(world.begin(ann, () => audit.slow('a')));
    await world.pass(150);
    const late = await rejection(world.in(ann, () => audit.slow('a')));
    expect(late).toMatchObject({ name: 'LockTimeoutError', waitMs: 100 });
    expect(await world.world.settle(slow)).toMatchObject({ reason: 'maxHold' });
  });
});

describe('an override of a guarded method', () => {
  let world: LockWorld;
  let ann: Service;

  beforeEach(async () => {
    world = await LockWorld.start({ network: STEADY });
    ann = world.service('ann');
  });

  const line = (override: string, method = 'Orders.settle') =>
    `${override} overrides ${method}, which is under @DistributedLock(), and runs without its lock, ` +
    'but for what it does by super.settle(): repeat the decorator on the override; or leave it out, ' +
    'if that is meant';

  it('is warned of once, when the application starts', async () => {
    class Refunds extends Orders {
      override async settle(id: string): Promise<string> {
        return Promise.resolve(`${id} without a lock`);
      }
    }
    class FastRefunds extends Refunds {}
    @Injectable({ scope: Scope.REQUEST })
    class Scoped extends Orders {
      override async settle(id: string): Promise<string> {
        return super.settle(id);
      }
    }
    const other = { provide: 'other', useClass: Refunds };
    const audit = LockModule.forRoot({ name: 'audit', log: ann.log });
    const providers = [Orders, Refunds, FastRefunds, Scoped, other];
    const app = await application(ann, providers, {}, { imports: [audit] });
    expect(ann.lines).toEqual([line('Refunds.settle'), line('Scoped.settle')]);
    expect(await app.get(Refunds).settle('a')).toBe('a without a lock');
    const scoped = await app.resolve(Scoped);
    expect(await world.in(ann, () => scoped.settle('a'))).toBe(`a ${ann.zk.sessionId}`);
  });

  it('is measured by the nearest method above it', async () => {
    class Guarded extends Orders {
      @DistributedLock('other/{id}')
      override async settle(id: string): Promise<string> {
        return super.settle(id);
      }
    }
    class Unguarded extends Guarded {
      override async settle(id: string): Promise<string> {
        return super.settle(id);
      }
    }
    class Again extends Unguarded {
      @DistributedLock('again/{id}')
      override async settle(id: string): Promise<string> {
        return super.settle(id);
      }
    }
    await application(ann, [Guarded, Again]);
    expect(ann.lines).toEqual([]);
    await application(world.service('bob'), [Unguarded], { log: ann.log });
    expect(ann.lines).toEqual([line('Unguarded.settle', 'Guarded.settle')]);
  });

  it('may have another guard', async () => {
    class Shared extends Orders {
      @WithReadLock('orders/{id}')
      override async settle(id: string): Promise<string> {
        return Promise.resolve(id);
      }
    }
    await application(ann, [Shared]);
    expect(ann.lines).toEqual([]);
  });
});
