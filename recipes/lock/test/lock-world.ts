import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { LockClient, type AcquireOptions, type Lease } from '../src/index.js';
import type { LockClientOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its locks. */
export interface Service extends ConnectedService {
  readonly locks: LockClient;
}

/** A server and services that contend for locks, in one simulated world. */
export class LockWorld extends RecipeWorld<Pick<Service, 'locks'>, LockClientOptions> {
  protected override equip({ zk, name, log }: ConnectedService, options?: LockClientOptions) {
    return { locks: new LockClient(zk, { root: '/locks', identity: name, log, ...options }) };
  }

  acquire(service: Service, path: string, options: AcquireOptions = {}): Promise<Lease> {
    return this.in(service, () => service.locks.acquire(path, options));
  }

  release(service: Service, lease: Lease): Promise<void> {
    return this.in(service, () => lease.release());
  }
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the promise was not rejected');
}
