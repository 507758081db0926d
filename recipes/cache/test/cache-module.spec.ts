import 'reflect-metadata';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { RecipeWorld, STEADY, type Service } from '../../../test/recipes/recipe-world.js';
import {
  Cache,
  CacheModule,
  CacheSetupError,
  Caches,
  InjectCache,
  InjectCaches,
  getCacheToken,
} from '../src/index.js';

let world: RecipeWorld;
let ann: Service;

@Injectable()
class Shop {
  constructor(
    @InjectCache('prices') readonly prices: Cache,
    @InjectCache('stock') readonly stock: Cache,
    @InjectCaches() readonly named: Caches,
    readonly caches: Caches,
  ) {}
}

const FEATURE = CacheModule.forFeature(['prices', { path: 'stock', depthMax: 1 }]);

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  await world.look(async (zk) => {
    await zk.ensurePath('/shop/stock/kiwi/blue');
    await zk.create('/shop/prices', 'p');
  });
});

function application(options: Parameters<typeof CacheModule.forRoot>[0] = {}, imports = [FEATURE]) {
  const caches = CacheModule.forRoot({ root: '/shop', log: ann.log, ...options });
  return applicationOf(ann, { imports: [caches, ...imports], providers: [Shop] });
}

describe('CacheModule', () => {
  it('has loaded its caches when the application starts, and leaves nothing at its end', async () => {
    const app = await world.in(ann, () => application());
    const shop = app.get(Shop);
    expect(String(shop.prices.get()?.data)).toBe('p');
    expect(shop.stock.children().map(({ name }) => name)).toEqual(['kiwi']);
    expect(shop.stock.get('kiwi/blue')).toBeNull();
    expect(shop.caches).toBe(shop.named);
    expect(app.get(getCacheToken('prices'))).toBe(shop.caches.tree('prices'));
    await world.in(ann, () => app.close());
    await world.pass(100);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('provides the same cache to all modules that ask for it', async () => {
    @Module({ imports: [CacheModule.forFeature(['prices'])] })
    class Other {
      constructor(@InjectCache('prices') readonly prices: Cache) {}
    }
    const app = await world.in(ann, () =>
      applicationOf(ann, {
        imports: [CacheModule.forRoot({ root: '/shop', log: ann.log }), FEATURE, Other],
        providers: [Shop],
      }),
    );
    expect(app.get(Other).prices).toBe(app.get(Shop).prices);
    expect(world.watchCount).toBe(2);
    await world.in(ann, () => app.close());
  });

  it('does not start without its caches, or, if it is told to, does', async () => {
    world.world.partition(['ann'], ['server']);
    const failing = world.in(ann, () => application({ loadWithin: '1s' }));
    await expect(failing).rejects.toBeInstanceOf(CacheSetupError);
    await expect(failing).rejects.toThrow('loadWithin: 0 starts without');
    await world.pass(1);
    expect(ann.zk.watchCount).toBe(0);
    const app = await world.in(ann, () => application({ loadWithin: 0 }));
    expect(() => app.get(Shop).prices.get()).toThrow('holds nothing yet');
    world.world.heal();
    await world.world.reach(() => !app.get(Shop).prices.isStale);
    await world.in(ann, () => app.close());
  });

  it('refuses what cannot be', async () => {
    const root = world.in(ann, () => application({ root: 'shop' }));
    await expect(root).rejects.toThrow('CacheModule "default": root: ');
    const bare = world.in(ann, () => applicationOf(ann, { imports: [CacheModule] }));
    await expect(bare).rejects.toThrow('import CacheModule.forRoot(...)');
    const twice = world.in(ann, () => application({}, [FEATURE, CacheModule.forRoot()]));
    await expect(twice).rejects.toThrow('is defined more than once');
    for (const none of ['/prices', [null], [{ depthMax: 1 }]] as never[]) {
      expect(() => CacheModule.forFeature(none)).toThrow(
        "write CacheModule.forFeature(['/prices'])",
      );
    }
    const doubled = () => CacheModule.forFeature(['/prices', { path: '/prices', depthMax: 1 }]);
    expect(doubled).toThrow("@InjectCache('/prices') could mean either");
    const path = world.in(ann, () => application({}, [FEATURE, CacheModule.forFeature(['a//b'])]));
    await expect(path).rejects.toBeInstanceOf(CacheSetupError);
    await expect(path).rejects.toThrow('CacheModule.forFeature, "a//b": cache: ');
    const limit = CacheModule.forFeature([{ path: 'a', depthMax: -1 }]);
    const wrong = world.in(ann, () => application({}, [FEATURE, limit]));
    await expect(wrong).rejects.toThrow(/^CacheModule\.forFeature, "a": .*depthMax/);
    expect(() => CacheModule.forFeature([undefined as never])).toThrow(CacheSetupError);
  });
});
