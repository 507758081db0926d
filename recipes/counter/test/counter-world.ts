import type { ZooKeeperOptions } from '@aviary/client';
import { writeInt32 } from '@aviary/foundation';
import type { SimulatedProcess } from '@aviary/simulator';
import {
  RecipeWorld,
  type RecipeWorldOptions,
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
export class CounterWorld extends RecipeWorld {
  static override async start(options: RecipeWorldOptions = {}): Promise<CounterWorld> {
    const world = new CounterWorld(options);
    await world.startServing();
    return world;
  }

  override service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    counterOptions: CounterClientOptions = {},
  ): Service {
    return this.serviceOf(name, this.world.addHost(name).boot(), options, counterOptions);
  }

  override async connected(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    counterOptions: CounterClientOptions = {},
  ): Promise<Service> {
    const service = this.service(name, options, counterOptions);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  override serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    counterOptions: CounterClientOptions = {},
  ): Service {
    const service = super.serviceOf(name, process, options);
    const { zk, log } = service;
    const { random } = process;
    const settings = { root: '/counters', identity: name, log, random, ...counterOptions };
    return { ...service, counters: new CounterClient(zk, settings) };
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
