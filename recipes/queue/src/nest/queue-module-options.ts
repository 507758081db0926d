import type { Duration, RecipeOptions } from '@aviary/nest';
import type { QueueClientOptions, QueueSettings } from '../core/queue-client.js';

/** How an application uses queues. Everything has a default. */
export interface QueueModuleOptions
  extends RecipeOptions, Omit<QueueClientOptions, 'waitMs' | 'identity' | 'log'> {
  /** Where paths that do not begin with a slash stand. Default: `/queues`. */
  readonly root?: string | undefined;
  /** The longest that a call takes that says nothing else. Default: 30 seconds. */
  readonly wait?: Duration | undefined;
  /** How long a shutdown waits for consumers that run, before their items go to others. Default: 5 seconds. */
  readonly drain?: Duration | undefined;
}

/** Made by a class that is given to `QueueModule.forRootAsync` as `useClass`. */
export interface QueueOptionsFactory {
  createQueueOptions(): QueueModuleOptions | Promise<QueueModuleOptions>;
}

/** One queue to inject with `@InjectQueue(path)`: its path, with settings if it has some. */
export type QueueFeature = string | (QueueSettings & { readonly path: string });
