import type { ZooKeeperOptions } from '@aviary/client';
import type { SimulatedProcess } from '@aviary/simulator';
import {
  RecipeWorld,
  type RecipeWorldOptions,
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
export class LockWorld extends RecipeWorld {
  static override async start(options: RecipeWorldOptions = {}): Promise<LockWorld> {
    const world = new LockWorld(options);
    await world.startServing();
    return world;
  }

  override service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    lockOptions: LockClientOptions = {},
  ): Service {
    return this.serviceOf(name, this.world.addHost(name).boot(), options, lockOptions);
  }

  override async connected(name: string): Promise<Service> {
    const service = this.service(name);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  override serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    lockOptions: LockClientOptions = {},
  ): Service {
    const service = super.serviceOf(name, process, options);
    const { zk, log } = service;
    const locks = new LockClient(zk, { root: '/locks', identity: name, log, ...lockOptions });
    return { ...service, locks };
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
