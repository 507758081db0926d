import {
  RecipeWorld,
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
export class ConfigWorld extends RecipeWorld<Pick<Service, 'configs'>, ConfigClientOptions> {
  protected override equip({ zk, name, log }: ConnectedService, options?: ConfigClientOptions) {
    return { configs: new ConfigClient(zk, { identity: name, log, ...options }) };
  }

  /** Writes data as anybody would, without publishing. */
  async write(path: string, data: string | Uint8Array): Promise<void> {
    await this.look(async (zk) => {
      await zk.ensurePath(path);
      await zk.set(path, data);
    });
  }
}
