import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import {
  durationOptionMs,
  featureModule,
  shown,
  type Feature,
  type RecipeSetup,
} from '@aviary/nest';
import { Barriers } from '../core/barriers.js';
import type {
  BarrierFeature,
  BarrierFeatures,
  BarrierModuleOptions,
  DoubleBarrierFeature,
} from './barrier-module-options.js';
import { BarrierSetupError } from './barrier-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './barrier.module-definition.js';
import { getBarrierToken, getBarriersToken, getDoubleBarrierToken } from './barrier.tokens.js';

const DRAIN_MS_DEFAULT = 5_000;

@Module({})
class BarrierFeatureModule {}

/**
 * Barriers for the whole application: `Barriers` to inject, and single ones by `forFeature`. It
 * takes the session of a `ZooKeeperModule`.
 *
 * From `onModuleDestroy` on nothing is waited for any more. `beforeApplicationShutdown` waits for
 * the rounds that go on, at most {@link BarrierModuleOptions.drain}; what is still inside then is
 * lost (`shutdown`) and its nodes are deleted.
 *
 * @example
 * imports: [
 *   ZooKeeperModule.forRoot({ servers: 'zk1:2181' }),
 *   BarrierModule.forRoot(),
 *   BarrierModule.forFeature({ doubleBarriers: [{ path: 'migrate', quantity: 5 }] }),
 * ]
 */
@Module({})
export class BarrierModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<BarrierModuleOptions>;
  private readonly drainMs: number;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<BarrierModuleOptions> | undefined,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
    if (setup === undefined) {
      throw new BarrierSetupError('import BarrierModule.forRoot(...), not the class BarrierModule');
    }
    this.setup = setup;
    this.drainMs = setup.durationMs('drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Single barriers, for `@InjectBarrier()` and `@InjectDoubleBarrier()`.
   * `BarrierModule.forRoot(...)` must be in the imports, too.
   *
   * @throws {BarrierSetupError} What is no list; what has no path; a jitter that is no duration. A
   * path or a quantity that is none stops the start.
   */
  static forFeature(given: BarrierFeatures): DynamicModule {
    // Callers without types can pass anything, such as one path.
    const { barriers = [], doubleBarriers = [], module } = Object(given) as BarrierFeatures;
    const isObject = Object(given) === given && !Array.isArray(given);
    if (!isObject || !Array.isArray(barriers) || !Array.isArray(doubleBarriers)) {
      throw new BarrierSetupError(
        'BarrierModule.forFeature takes lists, such as { barriers: ["deploy"] }',
      );
    }
    return featureModule(BarrierFeatureModule, getBarriersToken(module), [
      ...barriers.map((one: string | BarrierFeature) => barrierFeature(one, module)),
      ...doubleBarriers.map((one: DoubleBarrierFeature) => doubleBarrierFeature(one, module)),
    ]);
  }

  onModuleInit(): void {
    this.setup.refuseSecondOfName();
  }

  onModuleDestroy(): void {
    this.barriers()?.stopEntering();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const barriers = this.barriers();
    await barriers?.drain(this.drainMs);
    await barriers?.close({ reason: 'shutdown' });
  }

  /** The barriers, unless something else stands under their token, as in tests. */
  private barriers(): Barriers | null {
    const barriers: unknown = this.moduleRef.get(getBarriersToken(this.setup.name));
    return barriers instanceof Barriers ? barriers : null;
  }
}

/** @throws {BarrierSetupError} */
function barrierFeature(
  given: string | BarrierFeature,
  module: string | undefined,
): Feature<Barriers> {
  const { path, jitter } = typeof given === 'string' ? { path: given } : withPath(given, 'barrier');
  const jitterMs = durationOptionMs('jitter', jitter, (problem) => {
    throw new BarrierSetupError(`BarrierModule.forFeature, barrier "${path}": ${problem}`);
  });
  return {
    token: getBarrierToken(path, module),
    create: (client) => made(() => client.barrier(path, { jitterMs })),
  };
}

/** @throws {BarrierSetupError} */
function doubleBarrierFeature(
  given: DoubleBarrierFeature,
  module: string | undefined,
): Feature<Barriers> {
  const { path, quantity } = withPath(given, 'double barrier');
  return {
    token: getDoubleBarrierToken(path, module),
    create: (client) => made(() => client.double(path, quantity)),
  };
}

/** @throws {BarrierSetupError} It has no path that could be its name. */
function withPath<F extends { readonly path: string }>(feature: F, noun: string): F {
  if (typeof (Object(feature) as F).path === 'string') return feature;
  const example = noun === 'barrier' ? '{ path: "deploy" }' : '{ path: "migrate", quantity: 5 }';
  throw new BarrierSetupError(
    `BarrierModule.forFeature takes a ${noun} as ${example}, not as ${shown(feature)}`,
  );
}

/** @throws {BarrierSetupError} with the message of what `make` throws. */
function made<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new BarrierSetupError(`BarrierModule.forFeature: ${problem}`, { cause });
  }
}
