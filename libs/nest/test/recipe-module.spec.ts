import { Inject, Injectable, Module, Optional, type DynamicModule } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import {
  RecipeSetupError,
  RunnerBinding,
  featureModule,
  getZooKeeperToken,
  recipeModule,
  type Duration,
  type RecipeExtras,
  type RecipeOptions,
  type RecipeSetup,
} from '../src/index.js';

class BellSetupError extends RecipeSetupError {}

interface BellOptions extends RecipeOptions {
  readonly tune?: string;
  readonly every?: Duration;
}

class Bells {
  readonly rung: string[] = [];

  constructor(readonly setup: RecipeSetup<BellOptions>) {
    if (setup.options.tune === '') throw new Error('no tune');
  }
}

class Ringer {
  isEnded = false;

  constructor(readonly bells: Bells) {}
}

const bellsToken = (name = 'default') => `bells:${name}`;
const ringerToken = (name: string) => `ringer:${name}`;
const LOCAL = Symbol('ringer');

const { ConfigurableModuleClass, SETUP } = recipeModule<BellOptions>()({
  recipe: 'Bell',
  factoryMethod: 'createBellOptions',
  logContext: 'Bells',
  SetupError: BellSetupError,
  parts: (name) => [
    {
      token: bellsToken(name),
      alias: Bells as never,
      create: (setup) => setup.attempt(() => new Bells(setup)),
    },
    {
      token: ringerToken(name),
      inject: [bellsToken(name)],
      create: (_setup, bells: Bells) => new Ringer(bells),
    },
    {
      token: LOCAL,
      inject: [ringerToken(name)],
      create: (_setup, ringer: Ringer) => ringer,
      isExported: false,
    },
  ],
});

const RINGERS = new RunnerBinding({
  moduleClass: 'BellModule',
  noun: 'bells',
  runner: Ringer,
  tokenOf: ringerToken,
  substitute: 'bellsToken()',
  SetupError: BellSetupError,
});

function Rings(module = 'default') {
  return (prototype: object, key: string): void => {
    const method = `${prototype.constructor.name}.${key}`;
    RINGERS.require(prototype, { decorator: '@Rings()', method, module });
  };
}

@Module({})
class BellModule extends ConfigurableModuleClass {
  constructor(
    @Optional() @Inject(SETUP) readonly setup: RecipeSetup<BellOptions> | undefined,
    @Optional() @Inject(LOCAL) private readonly ringer: Ringer,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) throw new BellSetupError('import BellModule.forRoot(...)');
    setup.durationMs('every');
  }

  static override forRoot(options: BellOptions & Partial<RecipeExtras> = {}): DynamicModule {
    return super.forRoot(options);
  }

  onModuleInit(): void {
    const { setup, discovery, ringer } = this;
    setup?.refuseSecondOfName();
    const names = { own: setup?.name ?? '', all: setup?.names() ?? [] };
    RINGERS.bindAll(discovery, names, ringer);
  }
}

@Injectable()
class Tower {
  @Rings()
  ring(): Bells {
    const mark = { decorator: '@Rings()', method: 'Tower.ring', module: 'default' };
    return RINGERS.requireRunnerOf(this, mark).bells;
  }
}

const zk = { clock: null };

async function start(
  imports: unknown[],
  providers: unknown[] = [],
  connection: string | null = '',
) {
  @Module({})
  class Connections {}
  const token = getZooKeeperToken(connection === '' ? undefined : (connection ?? 'none'));
  const provided = [{ provide: token, useValue: zk }];
  const connections = { module: Connections, global: true, providers: provided, exports: [token] };
  const testing = Test.createTestingModule({
    imports: [connections, ...imports] as never[],
    providers: providers as never[],
  });
  return await (await testing.compile()).init();
}

async function problemOf(starting: Promise<unknown>): Promise<string> {
  try {
    await starting;
  } catch (error) {
    expect(error).toBeInstanceOf(BellSetupError);
    return String(error);
  }
  throw new Error('it started');
}

describe('the module of a recipe', () => {
  it('provides its parts by token and class, with the session, an identity and a log', async () => {
    const app = await start([BellModule.forRoot()]);
    const bells = app.get(Bells);
    expect(app.get(bellsToken())).toBe(bells);
    expect(bells.setup).toMatchObject({ name: 'default', zk, moduleClass: 'BellModule' });
    expect(bells.setup.identity).toMatch(new RegExp(`^.+ ${process.pid}$`));
    expect(bells.setup.log).toBeDefined();
  });

  it('has a name, a connection and options of its own', async () => {
    const app = await start(
      [
        BellModule.forRootAsync({
          name: 'night',
          connection: 'far',
          useFactory: () => Promise.resolve({ identity: 'ann', tune: 'soft' }),
        }),
      ],
      [],
      'far',
    );
    expect(app.get<Bells>(bellsToken('night')).setup).toMatchObject({
      name: 'night',
      identity: 'ann',
      options: { tune: 'soft' },
    });
    expect(() => app.get(Bells)).toThrow();
  });

  it('may be told by its factory what stands beside it, too', async () => {
    const useFactory = () => ({ name: 'night', connection: undefined, tune: 'soft' });
    const app = await start([BellModule.forRootAsync({ name: 'night', useFactory })]);
    expect(app.get<Bells>(bellsToken('night')).setup.name).toBe('night');
  });

  it('takes options from a class with the method of the recipe', async () => {
    class Factory {
      createBellOptions(): BellOptions {
        return { identity: 'bob' };
      }
    }
    const app = await start([BellModule.forRootAsync({ useClass: Factory })]);
    expect(app.get(Bells).setup.identity).toBe('bob');
  });

  it('may stand several times in an application, under different names', async () => {
    const night = BellModule.forRoot({ name: 'night' });
    const app = await start([BellModule.forRoot(), night]);
    expect(app.get(Bells).setup.names()).toEqual(['default', 'night']);
    const twice = start([BellModule.forRoot(), night, BellModule.forRoot()]);
    expect(await problemOf(twice)).toMatch(/BellModule "default" is defined more than once/);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['as a class', () => start([BellModule]), /import BellModule\.forRoot/],
    [
      'without its connection',
      () => start([BellModule.forRoot()], [], null),
      /BellModule "default" needs ZooKeeperModule\.forRoot\(\.\.\.\) in the imports/,
    ],
    [
      'without the connection of that name',
      () => start([BellModule.forRoot({ connection: 'far' })]),
      /needs ZooKeeperModule\.forRoot\(\.\.\.\) with the name "far" in the imports/,
    ],
    [
      'with options that a factory forgot to return',
      () => start([BellModule.forRootAsync({ useFactory: () => undefined as never })]),
      /must be an object, not undefined; does the factory return them/,
    ],
    [
      'with options that a factory returns as null',
      () => start([BellModule.forRootAsync({ useFactory: () => null as never })]),
      /must be an object, not null; does the factory return them/,
    ],
    [
      'with a connection that a factory returns',
      () =>
        start([
          BellModule.forRootAsync({
            useFactory: () => Promise.resolve({ connection: 'audit', tune: 'soft' }),
          }),
        ]),
      /^BellSetupError: BellModule "default": the factory returned \{ connection: "audit" \}, .* beside the factory: forRootAsync\(\{ connection: "audit", useFactory: \.\.\. \}\)$/,
    ],
    [
      'with a connection that a factory returns, where there is no other',
      () =>
        start(
          [BellModule.forRootAsync({ useFactory: () => ({ connection: 'audit' }) as BellOptions })],
          [],
          'audit',
        ),
      /the factory returned \{ connection: "audit" \}/,
    ],
    [
      'with other extras that a factory returns',
      () =>
        start([
          BellModule.forRootAsync({
            name: 'night',
            useFactory: () => ({ name: 'day', isGlobal: false, tune: 'soft' }) as BellOptions,
          }),
        ]),
      /BellModule "night": the factory returned \{ name: "day", isGlobal: false \}, which/,
    ],
    ...([5, 'two\nlines', 'x'.repeat(1_001)] as string[]).map(
      (identity): [string, () => Promise<unknown>, RegExp] => [
        `with the identity ${JSON.stringify(identity).slice(0, 20)}`,
        () => start([BellModule.forRoot({ identity })]),
        /BellModule "default": identity must be one line of at most 1000 characters, not ["5]/,
      ],
    ),
    [
      'with an option that its parts refuse',
      () => start([BellModule.forRoot({ name: 'night', tune: '' })]),
      /BellModule "night": no tune/,
    ],
    [
      'with a time that is none',
      () => start([BellModule.forRoot({ every: 'x' as never })]),
      /BellModule "default": every must be milliseconds or a time such as "5s", not "x"/,
    ],
  ])('does not start %s', async (_how, starting, problem) => {
    expect(await problemOf(starting())).toMatch(problem);
  });
});

describe('what runs marked methods', () => {
  it('is given to the objects of its application, whoever made them', async () => {
    const made = await start([BellModule.forRoot()], [Tower]);
    const own = new Tower();
    const given = await start([BellModule.forRoot()], [{ provide: Tower, useValue: own }]);
    expect(made.get(Tower).ring()).toBe(made.get(Bells));
    expect(own.ring()).toBe(given.get(Bells));
    expect(Object.keys(own)).toEqual([]);
    expect(() => new Tower().ring()).toThrow(/Tower\.ring is under @Rings\(\), and its object has/);
  });

  it('is missed with a sentence that says what to import', async () => {
    const missing = Test.createTestingModule({ providers: [Tower] }).compile();
    await expect(missing).rejects.toThrow(/its @Rings\(\) needs BellModule\.forRoot\(\.\.\.\) in/);
    class Other {
      @Rings('night')
      ring(): void {}
    }
    const given = start([BellModule.forRoot()], [{ provide: Other, useValue: new Other() }]);
    expect(await problemOf(given)).toMatch(/Other\.ring needs BellModule.*the name "night"/);
  });
});

describe('a feature of a recipe', () => {
  it('is injected by a token of its own, the same wherever it is imported', async () => {
    @Module({})
    class BellFeatureModule {}
    const one = () =>
      featureModule(BellFeatureModule, bellsToken(), [
        { token: 'bell:a', create: (bells: Bells) => bells.rung },
      ]);
    @Module({ imports: [one()] })
    class First {
      constructor(@Inject('bell:a') readonly bell: unknown) {}
    }
    @Module({ imports: [one()] })
    class Second {
      constructor(@Inject('bell:a') readonly bell: unknown) {}
    }
    const app = await start([BellModule.forRoot(), First, Second]);
    expect(app.get(First).bell).toBe(app.get(Bells).rung);
    expect(app.get(Second).bell).toBe(app.get(Bells).rung);
  });
});
