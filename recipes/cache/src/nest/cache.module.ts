import {
  Inject,
  Module,
  Optional,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { featureModule, type RecipeSetup } from '@aviary/nest';
import type { TreeOptions } from '@aviary/coordination';
import type { Cache } from '../core/cache.js';
import { Caches } from '../core/caches.js';
import type { CacheFeature, CacheModuleOptions } from './cache-module-options.js';
import { CacheSetupError } from './cache-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './cache.module-definition.js';
import { getCacheToken, getCachesToken } from './cache.tokens.js';

const LOAD_MS_DEFAULT = 10_000;
const FEATURE_PROBLEM =
  "write CacheModule.forFeature(['/prices']), a list of paths, or of { path: '/prices', depthMax: 1 }";

/** Caches that are injected by their paths. */
@Module({})
class CacheFeatureModule {}

/**
 * Caches for the whole application: `Caches` to inject, and single ones of `forFeature`, which have
 * loaded before the application starts. It takes the session of a `ZooKeeperModule`.
 *
 * They are kept until `onApplicationShutdown`, so that requests are served from them to the end.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), CacheModule.forRoot()]
 */
@Module({})
export class CacheModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  private readonly setup: RecipeSetup<CacheModuleOptions>;
  private readonly loadMs: number;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<CacheModuleOptions> | undefined,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
    if (setup === undefined) {
      throw new CacheSetupError('import CacheModule.forRoot(...), not the class CacheModule');
    }
    this.setup = setup;
    this.loadMs = setup.durationMs('loadWithin') ?? LOAD_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Keeps caches, and provides them for `@InjectCache(path)`.
   *
   * @param caches Their paths, or with limits: `{ path, depthMax }`.
   * @param name Of the `CacheModule` that is meant.
   * @throws {CacheSetupError} It is no list of paths, or one stands there twice.
   */
  static forFeature(caches: readonly (string | CacheFeature)[], name?: string): DynamicModule {
    if (!Array.isArray(caches)) throw new CacheSetupError(FEATURE_PROBLEM);
    const features = caches.map((cache: unknown) => {
      const { path, ...limits } = featureOf(cache);
      const create = (all: Caches) => made(all, path, limits);
      return { path, token: getCacheToken(path, name), create };
    });
    const paths = features.map(({ path }) => path);
    const twice = paths.find((path, at) => paths.indexOf(path) !== at);
    if (twice !== undefined) {
      throw new CacheSetupError(
        `CacheModule.forFeature: ${twice} stands there twice, and @InjectCache('${twice}') could mean ` +
          'either; leave one out, or import it from a CacheModule of another name',
      );
    }
    return featureModule(CacheFeatureModule, getCachesToken(name), features);
  }

  async onModuleInit(): Promise<void> {
    this.setup.refuseSecondOfName();
    const loading = this.caches()?.ready({ deadlineMs: this.loadMs || Infinity });
    if (this.loadMs > 0) {
      await loading?.catch((error: unknown) => {
        // Nobody is told of the end of an application that has not started.
        this.caches()?.close();
        const problem = error instanceof Error ? error.message : String(error);
        this.setup.refuse(`${problem}; loadWithin: 0 starts without`, { cause: error });
      });
    } else {
      // Who reads one is told, and the log says it, too.
      loading?.catch(() => undefined);
    }
  }

  onApplicationShutdown(): void {
    this.caches()?.close();
  }

  /** The caches, unless something else stands under their token, as in tests. */
  private caches(): Caches | null {
    const caches: unknown = this.moduleRef.get(getCachesToken(this.setup.name));
    return caches instanceof Caches ? caches : null;
  }
}

/** @throws {CacheSetupError} Its path or a limit is none. */
function made(all: Caches, path: string, limits: TreeOptions): Cache {
  try {
    return all.tree(path, limits);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CacheSetupError(`CacheModule.forFeature, "${path}": ${problem}`, { cause });
  }
}

function featureOf(cache: unknown): CacheFeature {
  const feature = typeof cache === 'string' ? { path: cache } : (cache as CacheFeature | null);
  if (typeof feature?.path === 'string') return feature;
  throw new CacheSetupError(FEATURE_PROBLEM);
}
