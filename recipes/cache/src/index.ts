/** Where caches stand whose paths do not begin with a slash. */
export const CACHE_ROOT = '/';
