import { CoordinationError } from '@aviary/client';

/** A cache was asked for what it holds before it has loaded: await `ready()` first. */
export class CacheNotLoadedError extends CoordinationError {
  constructor(path: string, problem: string) {
    super(`the cache of ${path} holds nothing yet (${problem}): await its ready() first`, {
      outcome: 'notApplied',
      operation: 'cache',
      path,
    });
  }
}
