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
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import {
  DEFAULT_MODULE,
  featureModule,
  featurePath,
  requireOneObject,
  shown,
  type RecipeSetup,
} from '@aviary/nest';
import { TimeLimit } from '@aviary/coordination';
import type { Subscription } from 'rxjs';
import type { LiveConfig } from '../core/live-config.js';
import { ChangeDelivery } from './change-delivery.js';
import { WATCHED, bindObject } from './config-binding.js';
import type { ConfigPath } from './config-definition.js';
import { ConfigHealthIndicator } from './config-health.indicator.js';
import type { ConfigFeature, ConfigModuleOptions } from './config-module-options.js';
import type { ConfigRegistry } from './config-registry.js';
import { ConfigSetupError } from './config-setup-error.js';
import {
  ConfigurableModuleClass,
  SETUP,
  type OPTIONS_TYPE,
} from './config-watch.module-definition.js';
import { LOCAL_REGISTRY, getConfigToken, registryToken } from './config.tokens.js';
import { checkBridgeKeys, findConfigService, mirror } from './nest-config-bridge.js';
import { CHANGE_HANDLERS } from './on-config-change.decorator.js';

const WAIT_MS_DEFAULT = 10_000;
const DRAIN_MS_DEFAULT = 5_000;

/** The module that `forFeature` returns. */
export class ConfigFeatureModule {}

/**
 * Live configurations for the whole application: `@ConfigWatch()` on properties,
 * `@OnConfigChange()` on methods, `LiveConfig`s to inject, and a `ConfigClient` to publish with. It
 * takes the session of a `ZooKeeperModule`.
 *
 * Every configuration has its first value before other modules are initialised: the start waits for
 * it, at most {@link ConfigModuleOptions.wait}, and fails with ConfigSetupError where there is
 * none. A shutdown waits for methods under `@OnConfigChange()` that run, and then follows nothing
 * any more; values stay.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), ConfigWatchModule.forRoot()]
 */
@Module({ providers: [ConfigHealthIndicator], exports: [ConfigHealthIndicator] })
export class ConfigWatchModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<ConfigModuleOptions>;
  private readonly waitMs: number;
  private readonly drainMs: number;
  private readonly deliveries: ChangeDelivery[] = [];
  private readonly mirrors: Subscription[] = [];
  private drained: Promise<unknown> = Promise.resolve();

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<ConfigModuleOptions> | undefined,
    @Optional() @Inject(LOCAL_REGISTRY) private readonly registry: ConfigRegistry,
    private readonly moduleRef: ModuleRef,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new ConfigSetupError('import ConfigWatchModule.forRoot(...), not the class');
    }
    this.setup = setup;
    this.waitMs = setup.durationMs('wait') ?? WAIT_MS_DEFAULT;
    this.drainMs = setup.durationMs('drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Configurations to inject with `@InjectConfig(path)`, and whose schema marks may leave out.
   *
   * @param name The name of the `ConfigWatchModule`, if it has one.
   * @throws {ConfigSetupError} It is no list of configurations. What else is wrong with one of them stops
   * the start.
   */
  static forFeature(
    features: readonly ConfigFeature[],
    name: string = DEFAULT_MODULE,
  ): DynamicModule {
    checkFeatures(features);
    return featureModule<ConfigRegistry>(
      ConfigFeatureModule,
      registryToken(name),
      features.map(({ path, ...options }) => ({
        token: getConfigToken(path, name),
        create: (registry) => {
          const label = `ConfigWatchModule.forFeature() with the path "${path}"`;
          return registry.follow(registry.define({ path, options }, label));
        },
      })),
    );
  }

  async onModuleInit(): Promise<void> {
    try {
      this.setup.refuseSecondOfName();
      await this.findValues();
      this.bind();
      this.registry.start();
      await this.firstValues();
      await this.buildBridge();
      this.listen();
    } catch (error) {
      this.onModuleDestroy();
      await this.beforeApplicationShutdown();
      throw error;
    }
  }

  onApplicationBootstrap(): void {
    for (const delivery of this.deliveries) delivery.open();
  }

  onModuleDestroy(): void {
    for (const subscription of this.mirrors) subscription.unsubscribe();
    this.drained = Promise.all(this.deliveries.map((delivery) => delivery.close()));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await new TimeLimit(this.setup.zk.clock, { waitMs: this.drainMs }).race(this.drained);
    this.registry.end();
    await this.registry.client.close();
  }

  /** The `ConfigService`, for paths that depend on it. */
  private async findValues(): Promise<void> {
    const values = await findConfigService(this.moduleRef);
    if (values !== null) this.registry.useValues(values);
  }

  /** Collects what the properties of all classes want, and binds objects that Nest has not made. */
  private bind(): void {
    const names = this.setup.names();
    for (const { value, instance } of WATCHED.find(this.discovery)) {
      const { configs, label, wish } = value;
      if (configs === this.registry.name) {
        this.registry.define(wish, label);
        if (instance !== null) bindObject(instance, configs, this.registry);
      } else if (!names.includes(configs)) {
        throw new ConfigSetupError(
          `${label} needs ConfigWatchModule.forRoot(...) with the name "${configs}" in the imports`,
        );
      }
    }
  }

  private async firstValues(): Promise<void> {
    const { all } = this.registry;
    const limits = { waitMs: this.waitMs };
    const settled = await Promise.allSettled(all.map((live) => live.ready(limits)));
    const errors = settled.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as Error] : [],
    );
    if (errors.length === 0) return;
    this.setup.refuse(errors.map(({ message }) => message).join('; '), {
      cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
    });
  }

  private async buildBridge(): Promise<void> {
    const { bridge = [] } = this.setup.options;
    if (bridge.length === 0) return;
    const service = await findConfigService(this.moduleRef);
    if (service === null) {
      this.setup.refuse('the bridge needs ConfigModule.forRoot() of @nestjs/config in the imports');
    }
    this.setup.attempt(() => checkBridgeKeys(bridge.map(({ into }) => into)));
    for (const { path, into } of bridge) {
      const live = this.followed(path, `bridge into "${into}"`);
      mirror(service, into, live);
      this.mirrors.push(live.changes$.subscribe(() => mirror(service, into, live)));
    }
  }

  /** Prepares the calls of methods that want to know of changes. */
  private listen(): void {
    for (const mark of CHANGE_HANDLERS.find(this.discovery)) {
      const { configs, path } = mark.value;
      if (configs !== this.registry.name) {
        if (this.setup.names().includes(configs)) continue;
        throw new ConfigSetupError(
          `@OnConfigChange() on ${mark.label} needs ConfigWatchModule.forRoot(...) with the name ` +
            `"${configs}" in the imports`,
        );
      }
      const { key, label } = mark;
      const object = requireOneObject(mark, '@OnConfigChange()', ConfigSetupError);
      const live = this.followed(path, `@OnConfigChange() on ${label}`);
      const call = (change: unknown): unknown =>
        (object as Record<string | symbol, (change: unknown) => unknown>)[key]?.(change);
      this.deliveries.push(new ChangeDelivery(live, { label, call }, this.setup.log));
    }
  }

  private followed(path: ConfigPath, label: string): LiveConfig<unknown> {
    const live = this.registry.followed(path, label);
    if (live !== null) return live;
    throw new ConfigSetupError(
      `${label}: nobody follows ${typeof path === 'string' ? `"${path}"` : 'that configuration'}: ` +
        'add @ConfigWatch() with the same path to a provider, or ConfigWatchModule.forFeature(...)',
    );
  }
}

/** For callers without types. @throws {ConfigSetupError} */
function checkFeatures(features: unknown): void {
  const example = "ConfigWatchModule.forFeature([{ path: 'pricing', schema: Pricing }])";
  if (!Array.isArray(features)) throw new ConfigSetupError(`write ${example}: a list`);
  for (const feature of features as unknown[]) {
    if (typeof feature !== 'string' && featurePath(feature) !== null) continue;
    throw new ConfigSetupError(
      `ConfigWatchModule.forFeature: ${shown(feature)} is no configuration: write ${example}`,
    );
  }
}
