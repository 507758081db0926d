import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { featureModule, featurePath, shown, type RecipeSetup } from '@aviary/nest';
import { CounterClient } from '../core/counter-client.js';
import type { CounterFeature, CounterModuleOptions } from './counter-module-options.js';
import { CounterSetupError } from './counter-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './counter.module-definition.js';
import { getCounterToken, getCountersToken } from './counter.tokens.js';

const DRAIN_MS_DEFAULT = 3_000;

/** What `CounterModule.forFeature` imports. */
@Module({})
export class CounterFeatureModule {}

/**
 * Counters for the whole application: a `CounterClient` to inject, and single counters by
 * {@link CounterModule.forFeature}. It takes the session of a `ZooKeeperModule`.
 *
 * `beforeApplicationShutdown` waits for the changes that are under way, at most
 * {@link CounterModuleOptions.drain}; later ones are refused (CountersClosedError).
 *
 * @example
 * imports: [
 *   ZooKeeperModule.forRoot({ servers: 'zk1:2181' }),
 *   CounterModule.forRoot(),
 *   CounterModule.forFeature(['orders', { path: 'ids', kind: 'block', size: 100 }]),
 * ]
 */
@Module({})
export class CounterModule
  extends ConfigurableModuleClass
  implements OnModuleInit, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<CounterModuleOptions>;
  private readonly drainMs: number;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<CounterModuleOptions> | undefined,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
    if (setup === undefined) {
      throw new CounterSetupError('import CounterModule.forRoot(...), not the class CounterModule');
    }
    this.setup = setup;
    this.drainMs = setup.durationMs('drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Counters, values and blocks of ids to inject with `@InjectCounter(path)`.
   *
   * @param name Of the `CounterModule` that they belong to, if it has one.
   * @throws {CounterSetupError} It is no list of counters. What else is wrong with one of them stops the start.
   */
  static forFeature(counters: readonly CounterFeature[], name?: string): DynamicModule {
    // Callers without types can pass anything, such as one path.
    const given: unknown = counters;
    if (!Array.isArray(given)) {
      throw new CounterSetupError('CounterModule.forFeature takes a list, such as ["orders"]');
    }
    const features = counters.map((feature) => {
      const path = pathOf(feature);
      const create = (client: CounterClient) => made(client, feature);
      return { token: getCounterToken(path, name), create };
    });
    return featureModule(CounterFeatureModule, getCountersToken(name), features);
  }

  onModuleInit(): void {
    this.setup.refuseSecondOfName();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const counters: unknown = this.moduleRef.get(getCountersToken(this.setup.name));
    // Something else may stand under the token, as in tests.
    if (counters instanceof CounterClient) await counters.close({ deadlineMs: this.drainMs });
  }
}

/** @throws {CounterSetupError} It is no counter. */
function pathOf(feature: unknown): string {
  const path = featurePath(feature);
  if (path !== null) return path;
  throw new CounterSetupError(
    `CounterModule.forFeature: ${shown(feature)} is no counter: write its path, such as "orders", or ` +
      '{ path, kind }',
  );
}

/** @throws {CounterSetupError} There is no such kind, or what belongs to it is wrong. */
function made(client: CounterClient, feature: CounterFeature): unknown {
  const settings = typeof feature === 'string' ? { path: feature } : feature;
  const { path, kind } = settings;
  try {
    switch (settings.kind) {
      case undefined:
      case 'int64':
        return client.int64(path, settings);
      case 'int32':
        return client.int32(path, settings);
      case 'value':
        return client.value(path, settings);
      case 'block':
        return client.block(path, settings.size, settings);
    }
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CounterSetupError(`CounterModule.forFeature, "${path}": ${problem}`, { cause });
  }
  throw new CounterSetupError(
    `CounterModule.forFeature, "${path}": there is no kind "${kind as string}" of counters, ` +
      'but int64, int32, value and block',
  );
}
