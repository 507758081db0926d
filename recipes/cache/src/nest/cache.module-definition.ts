import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { Caches } from '../core/caches.js';
import type { CacheModuleOptions } from './cache-module-options.js';
import { CacheSetupError } from './cache-setup-error.js';
import { getCachesToken } from './cache.tokens.js';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<CacheModuleOptions>()({
  recipe: 'Cache',
  factoryMethod: 'createCacheOptions',
  logContext: 'Caches',
  SetupError: CacheSetupError,
  parts: (name) => [{ token: getCachesToken(name), alias: Caches, create: newCaches }],
});

function newCaches(setup: RecipeSetup<CacheModuleOptions>): Caches {
  const { zk, options, log } = setup;
  return setup.attempt(() => new Caches(zk, { root: options.root, log }));
}
