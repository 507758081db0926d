import { NoNodeError } from '@aviary/client';
import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { QueueClient, type QueueClientOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its queues. */
export interface Service extends ConnectedService {
  readonly queues: QueueClient;
}

/** A server and services that put and consume, in one simulated world. */
export class QueueWorld extends RecipeWorld<Pick<Service, 'queues'>, QueueClientOptions> {
  protected override equip(service: ConnectedService, options?: QueueClientOptions) {
    const { zk, name, log, process } = service;
    const { random } = process;
    return { queues: new QueueClient(zk, { root: '/q', identity: name, log, random, ...options }) };
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
