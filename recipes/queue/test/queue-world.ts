import { NoNodeError } from '@aviary/client';
import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import {
  QueueClient,
  textItems,
  type ConsumeOptions,
  type Consumer,
  type Delivery,
  type ItemQueue,
  type QueueClientOptions,
  type QueueLayout,
  type QueueSettings,
} from '../src/index.js';

export { LONG_SESSION_MS, SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its queues. */
export interface Service extends ConnectedService {
  readonly queues: QueueClient;
}

/** Settings of a queue of texts. */
export const texts = (layout?: QueueLayout, more: QueueSettings<string> = {}) =>
  ({ layout, codec: textItems, ...more }) as const;

/** What a service was given of a queue. */
export interface Consumption {
  readonly queue: ItemQueue<string>;
  /** As that of the consumer. */
  size(): number;
  stop(): void;
  readonly delivered: string[];
  readonly deliveries: Delivery[];
}

/** A server and services that put and consume, in one simulated world. */
export class QueueWorld extends RecipeWorld<Pick<Service, 'queues'>, QueueClientOptions> {
  protected override equip(service: ConnectedService, options?: QueueClientOptions) {
    const { zk, name, log, process } = service;
    const { random } = process;
    return { queues: new QueueClient(zk, { root: '/q', identity: name, log, random, ...options }) };
  }

  /** Consumes with `service`, and keeps what was delivered. */
  consume(
    service: Service,
    name: string,
    settings: QueueSettings<string>,
    handler: (text: string, delivery: Delivery) => unknown = () => undefined,
    options: ConsumeOptions = {},
  ): Consumption {
    const delivered: string[] = [];
    const deliveries: Delivery[] = [];
    const queue = service.queues.queue(name, settings);
    const made: Consumer[] = [];
    service.process.run(() => {
      const handle = (text: string, delivery: Delivery): unknown => {
        delivered.push(text);
        deliveries.push(delivery);
        return handler(text, delivery);
      };
      made.push(queue.consume(handle, options));
    });
    const stop = (): void => made[0]?.stop();
    return { queue, size: () => made[0]?.size ?? 0, stop, delivered, deliveries };
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
