import { Injectable, Scope } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable } from 'rxjs';
import { z } from 'zod';
import { getZooKeeperToken } from '@aviary/nest';
import {
  ConfigSetupError,
  ConfigWatch,
  ConfigWatchModule,
  OnConfigChange,
  type ConfigModuleOptions,
  type ConfigWatchOptions,
  type LiveConfig,
} from '../src/index.js';
import { ConfigWorld, STEADY, type Service } from './config-world.js';
import { application, refusal } from './nest-world.js';
import { Pricing } from './schemas.js';

/** What defining a class throws; null: nothing. */
function definition(define: () => unknown): unknown {
  try {
    define();
  } catch (error) {
    return error;
  }
  return null;
}

describe('a class is not defined', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'with @ConfigWatch() on a method',
      () => {
        class Wrong {
          @(ConfigWatch('a', Pricing) as unknown as MethodDecorator)
          cfg(): void {}
        }
        return Wrong;
      },
      /@ConfigWatch\(\) on Wrong\.cfg: it belongs on a property, not on a method or an accessor/,
    ],
    [
      'with @ConfigWatch() on a static property',
      () => {
        class Wrong {
          @ConfigWatch('a', Pricing)
          static cfg: LiveConfig<Pricing>;
        }
        return Wrong;
      },
      /on Wrong\.cfg: a static property has no application/,
    ],
    [
      'with @ConfigWatch() on itself',
      () => {
        @(ConfigWatch('a', Pricing) as unknown as ClassDecorator)
        class Wrong {}
        return Wrong;
      },
      /on Wrong: it belongs on a property, not on a class/,
    ],
    [
      'with @ConfigWatch() on a parameter',
      () => {
        class Wrong {
          constructor(@(ConfigWatch('a', Pricing) as unknown as ParameterDecorator) _cfg: object) {}
        }
        return Wrong;
      },
      /it belongs on a property; for a parameter there is @InjectConfig\(path\)/,
    ],
    [
      'with @OnConfigChange() on a property',
      () => {
        class Wrong {
          @(OnConfigChange('a') as PropertyDecorator)
          changed = () => undefined;
        }
        return Wrong;
      },
      /@OnConfigChange\(\) on Wrong\.changed: it belongs on a method/,
    ],
    [
      'with @OnConfigChange() on a static method',
      () => {
        class Wrong {
          @OnConfigChange('a')
          static changed(): void {}
        }
        return Wrong;
      },
      /on Wrong\.changed: a static method has no application/,
    ],
    [
      'with @OnConfigChange() on a method that returns a stream',
      () => {
        class Wrong {
          @OnConfigChange('a')
          changed(): Observable<number> {
            return new Observable();
          }
        }
        return Wrong;
      },
      /on Wrong\.changed: it returns an Observable, .* let it return nothing or a Promise/,
    ],
  ])('%s', (_what, define, problem) => {
    const error = definition(define);
    expect(error).toBeInstanceOf(ConfigSetupError);
    expect(String(error)).toMatch(problem);
  });
});

let world: ConfigWorld;
let ann: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

/** A provider that follows one configuration, of the schema Pricing if none is said. */
function watcher(path: unknown, ...rest: [schema?: unknown, options?: ConfigWatchOptions<never>]) {
  const [schema, options = {}] = rest.length === 0 ? [Pricing] : rest;
  @Injectable()
  class Watcher {
    @ConfigWatch(path as string, schema as typeof Pricing, options)
    readonly cfg!: LiveConfig<Pricing>;
  }
  return Watcher;
}

const start = (providers: Parameters<typeof application>[2], options: ConfigModuleOptions = {}) =>
  refusal(application(world, ann, providers, options));

describe('the start of an application stops', () => {
  it.each([Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT])(
    'without ConfigWatchModule, whatever the scope (%i)',
    async (scope) => {
      @Injectable({ scope })
      class Scoped extends watcher('pricing') {}
      const text = await refusal(Test.createTestingModule({ providers: [Scoped] }).compile());
      expect(text).toMatch(
        /resolve dependencies of the Scoped.*its @ConfigWatch\(\) needs ConfigWatchModule\.forRoot/,
      );
    },
  );

  it('without it also for who only wants to know of changes', async () => {
    @Injectable()
    class Handler {
      @OnConfigChange('pricing')
      changed(): void {}
    }
    const text = await refusal(Test.createTestingModule({ providers: [Handler] }).compile());
    expect(text).toMatch(/its @OnConfigChange\(\) needs ConfigWatchModule\.forRoot/);
  });

  it('without the module of that name', async () => {
    const named = watcher('pricing', Pricing, { configs: 'audit' });
    expect(await start([named])).toMatch(
      /ConfigWatchModule\.forRoot\(\.\.\.\) with the name "audit"/,
    );
    const given = { provide: 'given', useValue: new named() };
    expect(await start([given])).toMatch(/Watcher\.cfg needs ConfigWatchModule.* the name "audit"/);
  });

  it('with what is no list of configurations', () => {
    expect(() => ConfigWatchModule.forFeature('pricing' as never)).toThrow(/forFeature.*: a list$/);
    for (const none of [undefined, null, 'pricing', { schema: Pricing }]) {
      const define = () => ConfigWatchModule.forFeature([none as never]);
      expect(define).toThrow(ConfigSetupError);
      expect(define).toThrow(/ConfigWatchModule\.forFeature: .* is no configuration: write/);
    }
  });

  it('without a first value: nothing there, in the stated time', async () => {
    const startedMs = world.world.virtualMs;
    const text = await start([watcher('pricing')], { wait: '2s' });
    expect(text).toMatch(
      /ConfigSetupError: ConfigWatchModule "default": the configuration \/config\/pricing: there are/,
    );
    expect(world.world.virtualMs - startedMs).toBeLessThan(2_200);
    // Nobody watches for an application that is not there.
    await world.pass(50);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('without valid first values: all of them are named', async () => {
    await world.write('/config/pricing', '{"vat": 9}');
    await world.write('/config/other', '{"vat"');
    const text = await start([watcher('pricing'), watcher('other')], { fallback: 'fail' });
    expect(text).toMatch(/\/config\/pricing: version 1 was rejected: vat: .*; the configuration/);
    expect(text).toMatch(
      /\/config\/other: version 1 was rejected: it is no JSON at line 1, column 7/,
    );
  });

  it('with a default that its schema does not let pass, whatever is there', async () => {
    await world.write('/config/pricing', '{"vat": 0.1}');
    const bad = watcher('pricing', Pricing, { fallback: { default: { vat: 20 } as never } });
    expect(await start([bad])).toMatch(
      /^ConfigSetupError: @ConfigWatch\(\) on Watcher\.cfg: the configuration \/config\/pricing: the default does not pass its schema, .*: vat: /,
    );
  });

  it('without an answer, and not without end', async () => {
    world.world.partition(['ann'], ['server']);
    const text = await start([watcher('pricing')], { wait: 700 });
    expect(text).toMatch(/the ensemble did not show it within 700 ms/);
  });

  it('where two want the same in different ways', async () => {
    const other = z.object({ vat: z.string() });
    expect(await start([watcher('pricing'), watcher('/config/pricing', other)])).toMatch(
      /@ConfigWatch\(\) on Watcher\.cfg and @ConfigWatch\(\) on Watcher\.cfg define the configuration \/config\/pricing, each with another schema: let them use the same/,
    );
    const yaml = watcher('pricing', Pricing, { format: 'yaml' });
    const json = watcher('pricing', Pricing, { format: 'json' });
    expect(await start([yaml, json])).toMatch(/each with another format/);
    const feature = ConfigWatchModule.forFeature([{ path: 'pricing', schema: other }]);
    const app = application(world, ann, [watcher('pricing')], {}, { imports: [feature] });
    expect(await refusal(app)).toMatch(/forFeature\(\) with the path "pricing" and @ConfigWatch/);
    const late = ConfigWatchModule.forFeature([{ path: 'pricing', schema: Pricing }]);
    const strict = watcher('pricing', Pricing, { fallback: 'fail' });
    const second = application(world, ann, [strict], {}, { imports: [late] });
    expect(await refusal(second)).toMatch(/each with another fallback/);
  });

  it.each<[string, unknown, unknown, RegExp]>([
    [
      'a path that climbs',
      '../pricing',
      Pricing,
      /Watcher\.cfg: .*must not have a component "\.\."/,
    ],
    ['an empty path', '', Pricing, /Watcher\.cfg: the path of a configuration must be a string/],
    ['no path', undefined, Pricing, /Watcher\.cfg: the path of a configuration must be a string/],
    ['a schema that is none', 'pricing', { parse: 1 }, /Watcher\.cfg: .* the schema is none/],
    [
      'no schema at all',
      'pricing',
      undefined,
      /nobody says what the configuration \/config\/pricing must/,
    ],
    [
      'a path of values that are not there',
      () => 'a',
      Pricing,
      /a function of the ConfigService, wh/,
    ],
  ])('with %s', async (_what, path, schema, problem) => {
    expect(await start([watcher(path, schema)])).toMatch(problem);
  });

  it.each<[string, ConfigModuleOptions, RegExp]>([
    ['root', { root: 'config' }, /ConfigWatchModule "default": root: a path must start with/],
    ['recordsRoot', { recordsRoot: '/' }, /recordsRoot: it cannot be "\/"/],
    ['wait', { wait: '5 s' }, /wait must be/],
    ['drain', { drain: -1 }, /drain must be/],
    ['bytesMax', { bytesMax: 0 }, /bytesMax must be a number from 1 up, not 0/],
    [
      'bridge',
      { bridge: [{ path: 'a', into: 'a' }] },
      /the bridge needs ConfigModule\.forRoot\(\)/,
    ],
  ])('with a wrong option: %s', async (_name, options, problem) => {
    const text = await start([], options);
    expect(text).toMatch(/^ConfigSetupError/);
    expect(text).toMatch(problem);
  });

  it('with ConfigWatchModule imported as a class, or twice by the same name', async () => {
    const connection = { provide: getZooKeeperToken(), useValue: ann.zk };
    const testing = Test.createTestingModule({
      imports: [ConfigWatchModule],
      providers: [connection],
    });
    expect(await refusal(testing.compile())).toMatch(
      /import ConfigWatchModule\.forRoot\(\.\.\.\), not/,
    );
    const more = { imports: [ConfigWatchModule.forRoot({ root: '/other' })] };
    expect(await refusal(application(world, ann, [], {}, more))).toMatch(
      /is defined more than once/,
    );
  });

  it('with a handler of which there is no object, or that nobody feeds', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @OnConfigChange('pricing')
      changed(): void {}
    }
    await world.write('/config/pricing', '{"vat": 0.1}');
    expect(await start([PerRequest, watcher('pricing')])).toMatch(
      /@OnConfigChange\(\) on PerRequest\.changed: .* is request-scoped.*: move the method to/,
    );
    @Injectable()
    class Unfed {
      @OnConfigChange('pricing')
      changed(): void {}
    }
    expect(await start([Unfed])).toMatch(
      /Unfed\.changed: nobody follows "pricing": add @ConfigWatch\(\) with the same path/,
    );
  });

  it('with an object that another application uses, or that is frozen', async () => {
    await world.write('/config/pricing', '{"vat": 0.1}');
    const type = watcher('pricing');
    const shared = { provide: type, useValue: new type() };
    const first = await application(world, ann, [shared]);
    const bob = await world.connected('bob');
    expect(await refusal(application(world, bob, [shared]))).toMatch(/belongs to two applications/);
    await world.in(ann, () => first.close());
    const second = await application(world, bob, [shared]);
    expect(second.get(type).cfg.state.kind).toBe('current');
    const frozen = { provide: type, useValue: Object.freeze(new type()) };
    expect(await start([frozen])).toMatch(/because its object is frozen/);
  });
});

it('a constructor that reads its configuration is told where to read it', async () => {
  @Injectable()
  class Eager {
    constructor(watching: object) {
      Reflect.get(watching, 'cfg');
    }
  }
  const type = watcher('pricing');
  const eager = { provide: Eager, inject: [type], useFactory: (one: object) => new Eager(one) };
  expect(await start([type, eager])).toMatch(
    /ConfigSetupError: @ConfigWatch\(\) on Watcher\.cfg was read before the configurations are loaded.*in onModuleInit, not in a constructor/,
  );
});

describe('N15: a path that is a function of the ConfigService', () => {
  it('is resolved when the application starts, also for handlers', async () => {
    await world.write('/config/eu/pricing', '{"vat": 0.1}');
    const path = (values: { get(key: string): unknown }) =>
      `${String(values.get('REGION'))}/pricing`;
    const calls: unknown[] = [];
    @Injectable()
    class Regional {
      @ConfigWatch(path, Pricing)
      readonly cfg!: LiveConfig<Pricing>;

      @OnConfigChange(path)
      changed({ path: where }: { path: string }): void {
        calls.push(where);
      }
    }
    const values = await ConfigModule.forRoot({
      ignoreEnvFile: true,
      load: [() => ({ REGION: 'eu' })],
      isGlobal: true,
    });
    const app = await application(world, ann, [Regional], {}, { imports: [values] });
    expect(app.get(Regional).cfg.path).toBe('/config/eu/pricing');
    await world.write('/config/eu/pricing', '{"vat": 0.2}');
    await world.pass(50);
    expect(calls).toEqual(['/config/eu/pricing']);
    expect(app.get(ConfigService).get('REGION')).toBe('eu');
  });
});
