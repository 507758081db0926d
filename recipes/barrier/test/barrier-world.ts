import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { Barriers, type Round, type WaitOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its barriers. */
export interface Service extends ConnectedService {
  readonly barriers: Barriers;
}

/** A server and services that meet at barriers, in one simulated world. */
export class BarrierWorld extends RecipeWorld<Pick<Service, 'barriers'>> {
  protected override equip({ zk, name, log, process }: ConnectedService) {
    const random = () => process.random.uint32() / 2 ** 32;
    return { barriers: new Barriers(zk, { root: '/barriers', identity: name, log, random }) };
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
