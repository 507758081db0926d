import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which the `Caches` of a module are provided, for `inject: [...]` and for tests. */
export function getCachesToken(name: string = DEFAULT_MODULE): string {
  return `aviary:caches:${name}`;
}

/**
 * Injects the `Caches` of a `CacheModule`. For the one without a name the class will do as well:
 * `constructor(private readonly caches: Caches)`.
 */
export function InjectCaches(name?: string): ReturnType<typeof Inject> {
  return Inject(getCachesToken(name));
}

/** The token of a cache of `CacheModule.forFeature`. */
export function getCacheToken(path: string, name: string = DEFAULT_MODULE): string {
  return `aviary:cache:${name}:${path}`;
}

/**
 * Injects a cache that `CacheModule.forFeature([path])` keeps, by the path that is written there.
 *
 * @example
 * constructor(@InjectCache('/prices') private readonly prices: Cache) {}
 */
export function InjectCache(path: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getCacheToken(path, name));
}
