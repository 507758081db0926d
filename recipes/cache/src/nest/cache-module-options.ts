import type { TreeOptions } from '@aviary/coordination';
import type { Duration, RecipeOptions } from '@aviary/nest';

/** How an application keeps caches. Everything has a default. */
export interface CacheModuleOptions extends Pick<RecipeOptions, 'log'> {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /**
   * How long the start waits for the caches of `forFeature` to load, before it fails. 0: it does not
   * wait, and they throw CacheNotLoadedError until they have loaded. Default: 10 seconds.
   */
  readonly loadWithin?: Duration | undefined;
}

/** Made by a class that is given to `CacheModule.forRootAsync` as `useClass`. */
export interface CacheOptionsFactory {
  createCacheOptions(): CacheModuleOptions | Promise<CacheModuleOptions>;
}

/** A cache that is injected by its path. */
export interface CacheFeature extends TreeOptions {
  readonly path: string;
}
