import type { ZooKeeperOptions } from '@aviary/client';
import type { SimulatedProcess } from '@aviary/simulator';
import {
  RecipeWorld,
  type RecipeWorldOptions,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { Barriers, type Round, type WaitOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its barriers. */
export interface Service extends ConnectedService {
  readonly barriers: Barriers;
}

/** A server and services that meet at barriers, in one simulated world. */
export class BarrierWorld extends RecipeWorld {
  /** Called when a server was started. */
  onBoot: () => void = () => undefined;

  static override async start(options: RecipeWorldOptions = {}): Promise<BarrierWorld> {
    const world = new BarrierWorld(options);
    await world.startServing();
    return world;
  }

  override boot(): void {
    super.boot();
    this.onBoot();
  }

  override service(name: string, options: Partial<ZooKeeperOptions> = {}): Service {
    return this.serviceOf(name, this.world.addHost(name).boot(), options);
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
  ): Service {
    const service = super.serviceOf(name, process, options);
    const { zk, log } = service;
    const random = () => process.random.uint32() / 2 ** 32;
    return {
      ...service,
      barriers: new Barriers(zk, { root: '/barriers', identity: name, log, random }),
    };
  }

  /** What the server serves; null: it does not serve. */
  get treeServed(): BarrierWorld['port']['tree'] | null {
    try {
      return this.port.tree;
    } catch {
      return null;
    }
  }

  /** The names in the directory of a barrier; none if it is not there. */
  async inside(path: string): Promise<string[]> {
    return this.port.tree.findText(path) === -1 ? [] : this.children(path);
  }
}

/** All of `services` enter `barriers.double('m', quantity)`; the promises of their rounds. */
export function entering(
  world: BarrierWorld,
  services: readonly Service[],
  quantity: number,
  options: WaitOptions = {},
): Promise<Round>[] {
  return services.map((service) =>
    world.begin(service, () => service.barriers.double('m', quantity).enter(options)),
  );
}

/** Whether a promise has been settled. */
export function settledness(promise: Promise<unknown>): { isSettled: boolean } {
  const settled = { isSettled: false };
  const note = () => {
    settled.isSettled = true;
  };
  promise.then(note, note);
  return settled;
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the promise was not rejected');
}
