import { Injectable, Module, Scope } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { of } from 'rxjs';
import {
  ConfigClient,
  ConfigHealthIndicator,
  ConfigWatch,
  ConfigWatchModule,
  InjectConfig,
  InjectConfigs,
  OnConfigChange,
  type ConfigChange,
  type LiveConfig,
} from '../src/index.js';
import { ConfigWorld, STEADY, type Service } from './config-world.js';
import { application } from './nest-world.js';
import { Pricing } from './schemas.js';

@Injectable()
class Prices {
  @ConfigWatch('pricing', Pricing)
  readonly cfg!: LiveConfig<Pricing>;
  atInit: number | null = null;

  onModuleInit(): void {
    this.atInit = this.cfg.value.vat;
  }

  gross(net: number): number {
    return net * (1 + this.cfg.value.vat);
  }
}

let world: ConfigWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await publish({ vat: 0.2 });
});

async function publish(value: unknown, path = 'pricing'): Promise<void> {
  await world.in(bob, () => bob.configs.publish(path, value));
  await world.pass(50);
}

describe('@ConfigWatch()', () => {
  it('has the first value when the application is initialised, and follows', async () => {
    const app = await application(world, ann, [Prices]);
    const prices = app.get(Prices);
    expect(prices.atInit).toBe(0.2);
    expect(prices.gross(100)).toBe(120);
    const seen: number[] = [];
    prices.cfg.select(({ vat }) => vat).subscribe((vat) => seen.push(vat));
    await publish({ vat: 0.5 });
    expect(prices.gross(100)).toBe(150);
    expect(seen).toEqual([0.2, 0.5]);
    await world.in(ann, () => app.close());
    await world.pass(50);
    expect(prices.gross(100)).toBe(150);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
  });

  it.each<[string, (type: typeof Prices) => object]>([
    ['a value', (type) => ({ useValue: new type() })],
    ['a factory', (type) => ({ useFactory: () => new type() })],
    ['a class', (type) => ({ useClass: type })],
  ])('reaches an object that is provided as %s', async (_how, provider) => {
    const app = await application(world, ann, [{ provide: Prices, ...provider(Prices) } as never]);
    expect(app.get(Prices).gross(100)).toBe(120);
  });

  it('is not read by Nest, which looks for clients in all properties before it initialises', async () => {
    const app = await application(world, ann, [Prices]);
    const read: string[] = [];
    for (const key in app.get(Prices)) read.push(key);
    expect(read).toEqual(['atInit']);
  });

  it('is one LiveConfig for every object, request-scoped and transient ones included', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Prices {}
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Prices {}
    const app = await application(world, ann, [PerRequest, Transient, Prices]);
    const { cfg } = app.get(Prices);
    for (const type of [PerRequest, Transient]) {
      for (let round = 0; round < 3; round++) {
        const prices = await app.resolve(type, ContextIdFactory.create());
        expect(prices.gross(100)).toBe(120);
        expect(prices.cfg).toBe(cfg);
      }
    }
    await world.pass(200);
    // One for the data, one for its own acknowledgement.
    expect(world.watchCount).toBe(2);
  });

  it('has its first value before the first request, also where only requests want it', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Prices {}
    const app = await application(world, ann, [PerRequest]);
    const prices = await app.resolve(PerRequest);
    expect(prices.gross(100)).toBe(120);
  });

  it('is inherited, and can be another one in a subclass', async () => {
    await publish({ vat: 0.07 }, 'food');
    @Injectable()
    class Books extends Prices {
      @ConfigWatch('books', Pricing, { fallback: { default: { vat: 0, currency: 'EUR' } } })
      readonly own!: LiveConfig<Pricing>;
    }
    @Injectable()
    class Food extends Prices {
      @ConfigWatch('food', Pricing)
      declare readonly cfg: LiveConfig<Pricing>;
    }
    const app = await application(world, ann, [Books, Food]);
    expect(app.get(Books).cfg.path).toBe('/config/pricing');
    expect(app.get(Books).own.value.vat).toBe(0);
    expect(app.get(Food).cfg.value.vat).toBe(0.07);
  });

  it('works in controllers and in modules that do not import it', async () => {
    @Module({ providers: [Prices], exports: [Prices] })
    class Shop {}
    const app = await application(world, ann, [], {}, { imports: [Shop] });
    expect(app.get(Prices, { strict: false }).gross(100)).toBe(120);
  });

  it('shares its schema with other marks of the same path', async () => {
    @Injectable()
    class Other {
      @ConfigWatch('/config/pricing')
      readonly cfg!: LiveConfig<Pricing>;
      @ConfigWatch('pricing', Pricing, { format: 'json' })
      readonly same!: LiveConfig<Pricing>;
    }
    const app = await application(world, ann, [Other, Prices]);
    const other = app.get(Other);
    expect(other.cfg).toBe(app.get(Prices).cfg);
    expect(other.same).toBe(other.cfg);
  });

  it('belongs to the module and the connection that are named', async () => {
    await publish({ vat: 0.9 }, '/audit/pricing');
    @Injectable()
    class Audit extends Prices {
      @ConfigWatch('pricing', Pricing, { configs: 'audit' })
      readonly audit!: LiveConfig<Pricing>;
      constructor(
        @InjectConfigs('audit') readonly client: ConfigClient,
        readonly standard: ConfigClient,
      ) {
        super();
      }
    }
    const second = ConfigWatchModule.forRoot({ name: 'audit', root: '/audit', log: ann.log });
    const app = await application(world, ann, [Audit], {}, { imports: [second] });
    const audit = app.get(Audit);
    expect([audit.cfg.value.vat, audit.audit.value.vat]).toEqual([0.2, 0.9]);
    expect(audit.client.configs).toEqual([audit.audit]);
    expect(audit.standard.configs).toEqual([audit.cfg]);
  });
});

describe('forFeature', () => {
  it('gives constructors a LiveConfig, and marks their schema', async () => {
    @Injectable()
    class Shop {
      @ConfigWatch('pricing')
      readonly same!: LiveConfig<Pricing>;
      constructor(@InjectConfig('pricing') readonly pricing: LiveConfig<Pricing>) {}
    }
    const feature = ConfigWatchModule.forFeature([{ path: 'pricing', schema: Pricing }]);
    const again = ConfigWatchModule.forFeature([{ path: '/config/pricing', schema: Pricing }]);
    const app = await application(world, ann, [Shop], {}, { imports: [feature, again] });
    const shop = app.get(Shop);
    expect(shop.pricing.value.vat).toBe(0.2);
    expect(shop.same).toBe(shop.pricing);
    await world.pass(200);
    // One for the data, one for its own acknowledgement.
    expect(world.watchCount).toBe(2);
  });
});

describe('@OnConfigChange()', () => {
  /** Records its calls, and takes its time. */
  @Injectable()
  class Watcher extends Prices {
    readonly calls: string[] = [];
    takesMs = 0;

    @OnConfigChange('pricing')
    async changed({ previous, current, changedPaths }: ConfigChange<Pricing>): Promise<void> {
      const text = `${previous.vat} to ${current.vat} (${changedPaths.join()})`;
      this.calls.push(text);
      if (this.takesMs > 0) {
        await new Promise((resolve) =>
          ann.process.clock.setTimer(this.takesMs, () => resolve(null)),
        );
      }
      this.calls.push('done');
      if (current.vat === 0.66) throw new Error('no such price');
    }
  }

  it('tells what was, what is and where they differ, and not of the first value', async () => {
    const watcher = (await application(world, ann, [Watcher])).get(Watcher);
    expect(watcher.calls).toEqual([]);
    await publish({ vat: 0.1 });
    await publish({ vat: 0.1, currency: 'EUR' });
    await publish({ vat: 'much' });
    await publish({ vat: 0.1, currency: 'CHF' });
    expect(watcher.calls).toEqual(['0.2 to 0.1 (vat)', 'done', '0.1 to 0.1 (currency)', 'done']);
  });

  it('calls one at a time, and joins what changes meanwhile', async () => {
    const watcher = (await application(world, ann, [Watcher])).get(Watcher);
    watcher.takesMs = 5_000;
    for (const vat of [0.3, 0.4, 0.5]) await publish({ vat });
    await world.pass(20_000);
    // What changes there and back while it runs is nothing to tell.
    await publish({ vat: 0.6 });
    await publish({ vat: 0.7 });
    await publish({ vat: 0.6 });
    await world.pass(20_000);
    expect(watcher.calls.filter((call) => call !== 'done')).toEqual([
      '0.2 to 0.3 (vat)',
      '0.3 to 0.5 (vat)',
      '0.5 to 0.6 (vat)',
    ]);
    expect(watcher.calls.filter((_, at) => at % 2 === 1)).toEqual(['done', 'done', 'done']);
  });

  it('logs what it throws, and goes on', async () => {
    const watcher = (await application(world, ann, [Watcher])).get(Watcher);
    await publish({ vat: 0.66 });
    await publish({ vat: 0.1 });
    expect(ann.lines.join()).toMatch(/Watcher\.changed failed on a change of \/config\/pricing/);
    expect(watcher.calls).toContain('0.66 to 0.1 (vat)');
  });

  it('is told that nobody subscribes to what it returns', async () => {
    @Injectable()
    class Streaming extends Prices {
      @OnConfigChange('pricing')
      changed(): unknown {
        return of(1);
      }
    }
    await application(world, ann, [Streaming]);
    const told: unknown[] = [];
    ann.log.error = (_message, facts) => told.push(facts);
    await publish({ vat: 0.1 });
    expect(String((told[0] as { error: unknown }).error)).toMatch(
      /returned an Observable, to which nobody subscribes: return a Promise/,
    );
  });

  it('is called once where a subclass overrides it, and is the one that stands there', async () => {
    @Injectable()
    class Special extends Watcher {
      @OnConfigChange('pricing')
      override async changed(change: ConfigChange<Pricing>): Promise<void> {
        this.calls.push('special');
        await super.changed(change);
      }
    }
    const special = (await application(world, ann, [Special])).get(Special);
    await publish({ vat: 0.1 });
    expect(special.calls).toEqual(['special', '0.2 to 0.1 (vat)', 'done']);
  });

  it('is not called any more from the shutdown on, which waits for one that runs', async () => {
    const app = await application(world, ann, [Watcher], { drain: '3s' });
    const watcher = app.get(Watcher);
    watcher.takesMs = 2_000;
    await publish({ vat: 0.3 });
    const closing = world.begin(ann, () => app.close());
    await publish({ vat: 0.4 });
    expect(watcher.calls).toEqual(['0.2 to 0.3 (vat)']);
    await world.world.settle(closing);
    expect(watcher.calls).toEqual(['0.2 to 0.3 (vat)', 'done']);
    expect(watcher.cfg.state.kind).toBe('closed');
  });
});

describe('the health', () => {
  const healthOf = async () => {
    const app = await application(world, ann, [Prices]);
    return () => app.get(ConfigHealthIndicator).isHealthy('configs');
  };

  it('is degraded while the last data were rejected', async () => {
    const health = await healthOf();
    const versions = { '/config/pricing': '1' };
    expect(health()).toEqual({ configs: { status: 'up', versions } });
    await publish({ vat: 9 });
    expect(health()).toMatchObject({ configs: { status: 'degraded', versions } });
    expect(health().configs.message).toMatch(/^\/config\/pricing: version 2 was rejected: vat: /);
    await publish({ vat: 0.3 });
    expect(health()).toEqual({ configs: { status: 'up', versions: { '/config/pricing': '3' } } });
    expect(JSON.stringify(health())).toContain('"up"');
  });

  it('is degraded when they were deleted, and up with a default', async () => {
    const health = await healthOf();
    await world.look((zk) => zk.delete('/config/pricing'));
    await world.pass(50);
    expect(health()).toMatchObject({ configs: { status: 'degraded' } });
    @Injectable()
    class Other {
      @ConfigWatch('other', Pricing, { fallback: { default: { vat: 1, currency: 'EUR' } } })
      readonly cfg!: LiveConfig<Pricing>;
    }
    const app = await application(world, bob, [Other]);
    const result = app.get(ConfigHealthIndicator).isHealthy();
    expect(result).toEqual({ config: { status: 'up', versions: { '/config/other': 'default' } } });
  });
});
