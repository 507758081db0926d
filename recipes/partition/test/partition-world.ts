import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import {
  Partitions,
  type JoinOptions,
  type Partition,
  type PartitionsOptions,
  type Share,
} from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

export const GROUP = '/partitions/g';
export const OWNERS = `${GROUP}/owners`;

/** A process of a service, with its client and its partitions. */
export interface Service extends ConnectedService {
  readonly partitions: Partitions;
}

/** The work of a service on its items, and what it was told. */
export class Worker {
  /** What it works on just now. */
  readonly items = new Map<string, Partition>();
  readonly journal: string[] = [];
  /** How long it takes until it has ended. */
  endsAfterMs = 0;

  constructor(readonly service: Service) {}

  readonly own = async (partition: Partition, signal: AbortSignal): Promise<void> => {
    const { item } = partition;
    this.journal.push(`+${item}`);
    this.items.set(item, partition);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (this.endsAfterMs > 0) await this.sleep(this.endsAfterMs);
    this.items.delete(item);
    this.journal.push(`-${item}`);
  };

  /** What it works on, sorted. */
  get names(): string[] {
    return [...this.items.keys()].sort((one, other) =>
      one.localeCompare(other, 'en', { numeric: true }),
    );
  }

  join(options: JoinOptions): Share {
    return this.service.partitions.join('g', options, this.own);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

/** A server and services that share items, in one simulated world. */
export class PartitionWorld extends RecipeWorld<Pick<Service, 'partitions'>, PartitionsOptions> {
  protected override equip({ zk, name, log }: ConnectedService, options?: PartitionsOptions) {
    return { partitions: new Partitions(zk, { member: name, identity: name, log, ...options }) };
  }

  async worker(name: string): Promise<Worker> {
    return new Worker(await this.connected(name));
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, virtualMsMax = 30_000): Promise<void> {
    await this.world.reach(condition, { virtualMsMax });
  }

  /** The names in a directory; none if it is not there. */
  async inside(path: string): Promise<string[]> {
    return this.port.tree.findText(path) === -1 ? [] : this.children(path);
  }
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
