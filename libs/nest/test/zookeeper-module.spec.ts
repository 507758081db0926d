import 'reflect-metadata';
import { ZooKeeper, type SessionState } from '@aviary/client';
import {
  Inject,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EnsembleTransport,
  getZooKeeperToken,
  InjectZooKeeper,
  ZooKeeperModule,
  ZooKeeperSetupError,
  type ZooKeeperModuleOptions,
  type ZooKeeperOptionsFactory,
} from '../src/index.js';
import { freePort } from '../../../test/free-port.js';
import { KeptLog, memberIn, Takedown, toOwnMember } from './hosted-member.js';

let takedown: Takedown;

beforeEach(() => {
  takedown = new Takedown();
});

afterEach(() => takedown.run());

/** Starts an application of `imports` and `providers`. */
async function started(
  imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>,
  providers: NonNullable<Parameters<typeof Test.createTestingModule>[0]['providers']> = [],
  log = new KeptLog(),
) {
  const module = await Test.createTestingModule({ imports, providers }).setLogger(log).compile();
  return takedown.app(await module.init());
}

/** Where nobody listens. */
const deafAddress = async () => `127.0.0.1:${await freePort()}`;

describe('a connection', () => {
  it('is injected by token, by decorator and by class, and is connected in onModuleInit', async () => {
    @Injectable()
    class Prices implements OnModuleInit {
      kindAtInit = '';
      constructor(
        @InjectZooKeeper() readonly decorated: ZooKeeper,
        readonly typed: ZooKeeper,
        @Inject(getZooKeeperToken()) readonly byToken: ZooKeeper,
      ) {}

      async onModuleInit(): Promise<void> {
        this.kindAtInit = this.typed.state.kind;
        await this.typed.create('/price', '100');
      }
    }
    const app = await started(
      [memberIn(takedown.directory()), ZooKeeperModule.forRootAsync(toOwnMember())],
      [Prices],
    );
    const { decorated, typed, byToken, kindAtInit } = app.get(Prices);
    expect(kindAtInit).toBe('connected');
    expect(decorated).toBe(typed);
    expect(byToken).toBe(typed);
    expect(String((await typed.get('/price')).data)).toBe('100');
  });

  it('stands beside others under a name, each with its own session and chroot', async () => {
    @Injectable()
    class Clerk {
      constructor(
        @InjectZooKeeper() readonly shop: ZooKeeper,
        @InjectZooKeeper('audit') readonly audit: ZooKeeper,
      ) {}
    }
    const app = await started(
      [
        memberIn(takedown.directory()),
        ZooKeeperModule.forRootAsync(toOwnMember()),
        ZooKeeperModule.forRootAsync({ name: 'audit', ...toOwnMember({ chroot: '/audit' }) }),
      ],
      [Clerk],
    );
    const { shop, audit } = app.get(Clerk);
    await audit.ensurePath('/');
    await audit.create('/entry');
    expect(await shop.exists('/audit/entry')).not.toBeNull();
    expect(audit.sessionId).not.toBe(shop.sessionId);
    // The class stands for the default connection alone.
    expect(app.get(ZooKeeper)).toBe(shop);
  });

  it('takes its options from a class, and from a module that it imports', async () => {
    const hostApp = await started([memberIn(takedown.directory())]);
    const { address } = hostApp.get(EnsembleTransport);

    @Injectable()
    class Settings {
      readonly servers = address;
    }
    @Module({ providers: [Settings], exports: [Settings] })
    class SettingsModule {}
    @Injectable()
    class FromSettings implements ZooKeeperOptionsFactory {
      createZooKeeperOptions(): ZooKeeperModuleOptions {
        return { servers: address, sessionTimeoutMs: 9_000 };
      }
    }
    const app = await started([
      ZooKeeperModule.forRootAsync({ useClass: FromSettings }),
      ZooKeeperModule.forRootAsync({
        name: 'second',
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: ({ servers }: Settings) => ({ servers, sessionTimeoutMs: 8_000 }),
      }),
    ]);
    const timeout = (name?: string) => app.get<ZooKeeper>(getZooKeeperToken(name)).state;
    expect(timeout()).toMatchObject({ kind: 'connected', timeoutMs: 9_000 });
    expect(timeout('second')).toMatchObject({ kind: 'connected', timeoutMs: 8_000 });
  });

  it('stays in the modules that import it when it is not global', async () => {
    @Injectable()
    class Outsider {
      constructor(@InjectZooKeeper() readonly zk: ZooKeeper) {}
    }
    @Module({ imports: [ZooKeeperModule.forRoot({ servers: 'x', isGlobal: false })] })
    class FeatureModule {}
    const compiled = Test.createTestingModule({ imports: [FeatureModule], providers: [Outsider] })
      .setLogger(new KeptLog())
      .compile();
    await expect(compiled).rejects.toThrow(/Outsider/);
  });

  it('tells in state$ where it stands, up to the end', async () => {
    const app = await started([
      memberIn(takedown.directory()),
      ZooKeeperModule.forRootAsync(toOwnMember({ startup: 'lazy' })),
    ]);
    const kinds: SessionState['kind'][] = [];
    const zk = app.get(ZooKeeper);
    const over = new Promise<void>((complete) => {
      zk.state$.subscribe({ next: ({ kind }) => kinds.push(kind), complete });
    });
    await zk.exists('/');
    await app.close();
    await over;
    expect(kinds).toEqual(['connecting', 'connected', 'closed']);
    expect(zk.state).toEqual({ kind: 'closed', sessionClosed: true });
  });

  it('is not made at all where a test puts something else in its place', async () => {
    const fake = { exists: () => Promise.resolve(null) };
    const module = await Test.createTestingModule({
      imports: [ZooKeeperModule.forRoot({ servers: 'nowhere.invalid:2181' })],
    })
      .setLogger(new KeptLog())
      .overrideProvider(getZooKeeperToken())
      .useValue(fake)
      .compile();
    takedown.app(await module.init());
    expect(module.get(ZooKeeper)).toBe(fake);
  });

  it('is not made in preview mode', async () => {
    @Module({ imports: [ZooKeeperModule.forRoot({ servers: 'nowhere.invalid:2181' })] })
    class AppModule {}
    const options = { preview: true, logger: new KeptLog() };
    takedown.app(await NestFactory.createApplicationContext(AppModule, options));
  });
});

describe('the end of an application', () => {
  it.each([
    ['before', (member: object, connection: object) => [member, connection]],
    ['after', (member: object, connection: object) => [connection, member]],
  ])('lets every hook use the connection, with the member imported %s it', async (_, imports) => {
    const told: string[] = [];
    @Injectable()
    class Registration
      implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
    {
      constructor(@InjectZooKeeper() private readonly zk: ZooKeeper) {}
      onModuleDestroy = () => this.use('destroy');
      beforeApplicationShutdown = () => this.use('before');
      onApplicationShutdown = () => this.use('shutdown');

      private async use(hook: string): Promise<void> {
        const { path } = await this.zk.create(`/${hook}`, '', { mode: 'ephemeral' });
        told.push(path);
      }
    }
    const app = await started(
      imports(memberIn(takedown.directory()), ZooKeeperModule.forRootAsync(toOwnMember())) as never,
      [Registration],
    );
    const zk = app.get(ZooKeeper);
    await app.close();
    expect(told).toEqual(['/destroy', '/before', '/shutdown']);
    // The member confirmed it: the client was closed before the member stopped.
    expect(zk.state).toEqual({ kind: 'closed', sessionClosed: true });
  });

  it('takes the ephemeral nodes along at once', async () => {
    const hostApp = await started([
      memberIn(takedown.directory()),
      ZooKeeperModule.forRootAsync(toOwnMember()),
    ]);
    const { address } = hostApp.get(EnsembleTransport);
    const app = await started([
      ZooKeeperModule.forRoot({ servers: address, closeTimeoutMs: 30_000 }),
    ]);
    await app.get(ZooKeeper).create('/here', '', { mode: 'ephemeral' });
    await app.close();
    expect(await hostApp.get(ZooKeeper).exists('/here')).toBeNull();
  });

  it('warns when nobody handles SIGTERM, for then it would not be clean', async () => {
    const log = new KeptLog();
    const handlers = process.listeners('SIGTERM');
    process.removeAllListeners('SIGTERM');
    try {
      await started(
        [
          memberIn(takedown.directory()),
          ZooKeeperModule.forRootAsync(toOwnMember({ startup: 'lazy' })),
        ],
        [],
        log,
      );
      await log.said(/^warn: SIGTERM would end .* Call app\.enableShutdownHooks\(\)$/);
    } finally {
      for (const handler of handlers) process.on('SIGTERM', handler);
    }
  });
});

describe('the start fails with one sentence', () => {
  const failure = async (...imports: object[]): Promise<unknown> => {
    const module = Test.createTestingModule({ imports: imports as never }).setLogger(new KeptLog());
    try {
      await (await module.compile()).init();
    } catch (error) {
      return error;
    }
    throw new Error('it started');
  };
  const noText = undefined as unknown as string;

  it.each([
    ['a missing connection string', noText, /"default": servers must be a string/],
    ['an empty connection string', '', /"default": "" names no server/],
    ['a URL', 'zk://h:2181', /"default": "zk:\/\/h:2181" is a URL/],
    ['a bad port', 'h:99999', /"default": server "h:99999" in "h:99999": "99999" is not a port/],
  ])('for %s', async (_, servers, sentence) => {
    const error = await failure(ZooKeeperModule.forRoot({ servers }));
    expect(error).toBeInstanceOf(ZooKeeperSetupError);
    expect((error as Error).message).toMatch(sentence);
  });

  it('for a factory that returns nothing', async () => {
    const useFactory = () => undefined as unknown as ZooKeeperModuleOptions;
    const error = await failure(ZooKeeperModule.forRootAsync({ name: 'audit', useFactory }));
    expect(error).toMatchObject({
      connection: 'audit',
      message:
        'ZooKeeperModule, connection "audit": its options must be an object, not undefined; ' +
        'does the factory return them?',
    });
  });

  it('for a name or a scope that its factory returns, where Nest would ignore them', async () => {
    const useFactory = () => ({ servers: '127.0.0.1:1', name: 'audit', isGlobal: false });
    const error = await failure(ZooKeeperModule.forRootAsync({ useFactory }));
    expect(error).toBeInstanceOf(ZooKeeperSetupError);
    expect((error as Error).message).toBe(
      'ZooKeeperModule, connection "default": the factory returned { name: "audit", isGlobal: ' +
        'false }, which must be known before it is called; write it beside the factory: ' +
        'forRootAsync({ name: "audit", isGlobal: false, useFactory: ... })',
    );
  });

  it('for the bare class', async () => {
    expect(String(await failure(ZooKeeperModule))).toMatch(/import ZooKeeperModule\.forRoot\(/);
  });

  it('for a startup that does not exist', async () => {
    const startup = 'eventually' as 'wait';
    const error = await failure(ZooKeeperModule.forRoot({ servers: '127.0.0.1:1', startup }));
    expect(String(error)).toMatch(/startup must be "wait", "lazy" or \{ failAfterMs \}, not "even/);
  });

  it('for a name that is taken, before anything is connected', async () => {
    @Module({ imports: [ZooKeeperModule.forRoot({ servers: '127.0.0.1:1', name: 'shop' })] })
    class FeatureModule {}
    const servers = await deafAddress();
    const error = await failure(
      FeatureModule,
      ZooKeeperModule.forRoot({ servers, name: 'shop', isGlobal: false }),
      ZooKeeperModule.forRoot({ servers, startup: 'lazy' }),
    );
    expect(String(error)).toMatch(/"shop": it is defined more than once; .* give the others a `na/);
  });

  it('for an ensemble that does not answer, with the reason', async () => {
    const servers = await deafAddress();
    const error = await failure(
      ZooKeeperModule.forRoot({ servers, startup: { failAfterMs: 300 } }),
    );
    expect(error).toBeInstanceOf(ZooKeeperSetupError);
    expect((error as Error).message).toMatch(
      new RegExp(`^ZooKeeperModule, connection "default": no session at ${servers}: .*REFUSED`),
    );
  });

  it('when the process is told to stop while it waits', async () => {
    const servers = await deafAddress();
    // As an application with shutdown hooks: somebody handles the signal, so it does not kill us.
    let told: () => void = () => undefined;
    const seen = new Promise<void>((done) => (told = done));
    process.once('SIGTERM', told);
    const starting = failure(ZooKeeperModule.forRoot({ servers, startup: 'wait' }));
    while (process.listenerCount('SIGTERM') < 2) await new Promise(setImmediate);
    process.emit('SIGTERM');
    await seen;
    expect(String(await starting)).toMatch(/no session at .*abort/);
  });
});
