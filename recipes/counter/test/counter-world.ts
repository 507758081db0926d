import { writeInt32 } from '@aviary/foundation';
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

/** Where the version stands in a Stat: behind two zxids and two times. */
const VERSION_AT = 32;

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

  /** As if the node had been written to so often. */
  forgeVersion(path: string, version: number): void {
    const { nodes } = this.port.tree;
    nodes.select(this.port.tree.findText(path));
    writeInt32(nodes.bytes, nodes.statAt + VERSION_AT, version);
  }
}
