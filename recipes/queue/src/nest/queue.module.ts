import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import {
  featureModule,
  featurePath,
  requireOneObject,
  shown,
  type RecipeSetup,
} from '@aviary/nest';
import type { QueueClient, QueueSettings } from '../core/queue-client.js';
import { DELIVERIES } from './delivery.decorator.js';
import { CONSUMERS, RUNNERS } from './queue-consumer.decorator.js';
import type { QueueFeature, QueueModuleOptions } from './queue-module-options.js';
import type { QueueRunner } from './queue-runner.js';
import { QueueSetupError } from './queue-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './queue.module-definition.js';
import { LOCAL_RUNNER, getQueueToken, getQueuesToken } from './queue.tokens.js';

const DRAIN_MS_DEFAULT = 5_000;

/** What `QueueModule.forFeature` imports. */
@Module({})
export class QueueFeatureModule {}

/**
 * Queues for the whole application: `@QueueConsumer()` on methods, single queues by
 * {@link QueueModule.forFeature}, and a `QueueClient` to inject. It takes the session of a `ZooKeeperModule`.
 *
 * Consumers begin in `onApplicationBootstrap`, when every `onModuleInit` has run, and take no more items from
 * `onModuleDestroy` on. `beforeApplicationShutdown` waits for those that run, at most
 * {@link QueueModuleOptions.drain}; then their items are free for other processes.
 *
 * @example
 * imports: [
 *   ZooKeeperModule.forRoot({ servers: 'zk1:2181' }),
 *   QueueModule.forRoot(),
 *   QueueModule.forFeature(['emails']),
 * ]
 */
@Module({})
export class QueueModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<QueueModuleOptions>;
  private readonly drainMs: number;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<QueueModuleOptions> | undefined,
    @Optional() @Inject(LOCAL_RUNNER) private readonly runner: QueueRunner,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new QueueSetupError('import QueueModule.forRoot(...), not the class QueueModule');
    }
    this.setup = setup;
    this.drainMs = setup.durationMs('drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Queues to inject with `@InjectQueue(path)`.
   *
   * @param name Of the `QueueModule` that they belong to, if it has one.
   * @throws {QueueSetupError} It is no list of queues. What else is wrong with one of them stops the start.
   */
  static forFeature(queues: readonly QueueFeature[], name?: string): DynamicModule {
    // Callers without types can pass anything, such as one path.
    const given: unknown = queues;
    if (!Array.isArray(given)) {
      throw new QueueSetupError('QueueModule.forFeature takes a list, such as ["emails"]');
    }
    const features = queues.map((feature) => {
      const path = pathOf(feature);
      const settings = typeof feature === 'string' ? undefined : settingsOf(feature);
      const create = (client: QueueClient) => {
        try {
          return client.queue(path, settings);
        } catch (cause) {
          const problem = cause instanceof Error ? cause.message : String(cause);
          throw new QueueSetupError(`QueueModule.forFeature, "${path}": ${problem}`, { cause });
        }
      };
      return { token: getQueueToken(path, name), create };
    });
    return featureModule(QueueFeatureModule, getQueuesToken(name), features);
  }

  onModuleInit(): void {
    this.setup.refuseSecondOfName();
    const { name } = this.setup;
    RUNNERS.bindAll(this.discovery, { own: name, all: this.setup.names() }, this.runner);
    DELIVERIES.refuseUnclaimed(this.discovery);
    for (const found of CONSUMERS.find(this.discovery)) {
      if (found.value.module !== name) continue;
      const instance = requireOneObject(found, '@QueueConsumer()', QueueSetupError);
      this.runner.add({ label: found.label, mark: found.value, instance, key: found.key });
    }
  }

  onApplicationBootstrap(): void {
    this.runner.start();
  }

  onModuleDestroy(): void {
    this.runner.stop();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.runner.close(this.drainMs);
  }
}

/** @throws {QueueSetupError} It is no queue. */
function pathOf(feature: unknown): string {
  const path = featurePath(feature);
  if (path !== null) return path;
  throw new QueueSetupError(
    `QueueModule.forFeature: ${shown(feature)} is no queue: write its path, such as "emails", or ` +
      '{ path, layout }',
  );
}

/** The settings of a feature; undefined: it gives none but its path. */
function settingsOf(feature: Exclude<QueueFeature, string>): QueueSettings | undefined {
  const { path: _path, ...settings } = feature;
  return Object.keys(settings).length === 0 ? undefined : settings;
}
