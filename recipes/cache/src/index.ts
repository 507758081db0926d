/** Caches; see README.md. */
export { TreeLimitError, TreeSnapshot, TreeUnsupportedError } from '@aviary/coordination';
export type {
  DirectoryView,
  TreeNode,
  TreeOptions,
  TreeProblem,
  TreeView,
} from '@aviary/coordination';
export { Cache } from './core/cache.js';
export { CacheNotLoadedError } from './core/cache-errors.js';
export { changesBetween } from './core/cache-change.js';
export type { CacheChange } from './core/cache-change.js';
export { Caches } from './core/caches.js';
export type { CachesOptions } from './core/caches.js';
export type {
  CacheFeature,
  CacheModuleOptions,
  CacheOptionsFactory,
} from './nest/cache-module-options.js';
export { CacheSetupError } from './nest/cache-setup-error.js';
export { CacheModule } from './nest/cache.module.js';
export { getCachesToken, getCacheToken, InjectCache, InjectCaches } from './nest/cache.tokens.js';
