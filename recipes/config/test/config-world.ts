import type { ZooKeeperOptions } from '@aviary/client';
import type { SimulatedProcess } from '@aviary/simulator';
import {
  RecipeWorld,
  type RecipeWorldOptions,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { ConfigClient, type ConfigClientOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';
export { rejection } from '../../../test/rejection.js';

/** A process of a service, with its client and its configurations. */
export interface Service extends ConnectedService {
  readonly configs: ConfigClient;
}

/** A server and services that follow and publish configurations, in one simulated world. */
export class ConfigWorld extends RecipeWorld {
  static override async start(options: RecipeWorldOptions = {}): Promise<ConfigWorld> {
    const world = new ConfigWorld(options);
    await world.startServing();
    return world;
  }

  override service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    configOptions: ConfigClientOptions = {},
  ): Service {
    return this.serviceOf(name, this.world.addHost(name).boot(), options, configOptions);
  }

  override async connected(name: string, configOptions: ConfigClientOptions = {}) {
    const service = this.service(name, {}, configOptions);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  override serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    configOptions: ConfigClientOptions = {},
  ): Service {
    const service = super.serviceOf(name, process, options);
    const { zk, log } = service;
    return { ...service, configs: new ConfigClient(zk, { identity: name, log, ...configOptions }) };
  }

  /** Writes data as anybody would, without publishing. */
  async write(path: string, data: string | Uint8Array): Promise<void> {
    await this.look(async (zk) => {
      await zk.ensurePath(path);
      await zk.set(path, data);
    });
  }
}
