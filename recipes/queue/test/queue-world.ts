import { NoNodeError, type ZooKeeperOptions } from '@aviary/client';
import type { SimulatedProcess } from '@aviary/simulator';
import {
  RecipeWorld,
  type RecipeWorldOptions,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { QueueClient, type QueueClientOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its queues. */
export interface Service extends ConnectedService {
  readonly queues: QueueClient;
}

/** A server and services that put and consume, in one simulated world. */
export class QueueWorld extends RecipeWorld {
  static override async start(options: RecipeWorldOptions = {}): Promise<QueueWorld> {
    const world = new QueueWorld(options);
    await world.startServing();
    return world;
  }

  override service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    queueOptions: QueueClientOptions = {},
  ): Service {
    return this.serviceOf(name, this.world.addHost(name).boot(), options, queueOptions);
  }

  override async connected(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    queueOptions: QueueClientOptions = {},
  ): Promise<Service> {
    const service = this.service(name, options, queueOptions);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  override serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    queueOptions: QueueClientOptions = {},
  ): Service {
    const service = super.serviceOf(name, process, options);
    const { zk, log } = service;
    const { random } = process;
    const settings = { root: '/q', identity: name, log, random, ...queueOptions };
    return { ...service, queues: new QueueClient(zk, settings) };
  }

  /** Breaks the connection of a service. */
  reset({ name }: Service): void {
    this.world.fabric.resetBetween(name, 'server');
  }

  /** The names in a directory; none if it is not there. */
  async namesIn(path: string): Promise<string[]> {
    const found = await this.look((zk) =>
      zk.children(path).catch((error: unknown) => {
        if (error instanceof NoNodeError) return { children: [] };
        throw error;
      }),
    );
    return [...found.children].sort();
  }

  /** Virtual time, inside of a service. */
  sleep({ process }: Service, ms: number): Promise<void> {
    return new Promise((resolve) => process.clock.setTimer(ms, resolve));
  }
}
