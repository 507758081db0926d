import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { CounterClient, type CounterClientOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its counters. */
export interface Service extends ConnectedService {
  readonly counters: CounterClient;
}

/** A server and services that count, in one simulated world. */
export class CounterWorld extends RecipeWorld<Pick<Service, 'counters'>, CounterClientOptions> {
  protected override equip(service: ConnectedService, options?: CounterClientOptions) {
    const { zk, name, log, process } = service;
    const { random } = process;
    const settings = { root: '/counters', identity: name, log, random, ...options };
    return { counters: new CounterClient(zk, settings) };
  }

  /** Breaks the connection of a service. */
  reset({ name }: Service): void {
    this.world.fabric.resetBetween(name, 'server');
  }
}
