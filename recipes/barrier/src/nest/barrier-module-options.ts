import type { Duration, RecipeOptions } from '@aviary/nest';
import type { BarriersOptions } from '../core/barriers.js';

/** How an application meets others at barriers. Everything has a default. */
export interface BarrierModuleOptions extends BarriersOptions, RecipeOptions {
  /** Where paths that do not begin with a slash stand. Default: `/barriers`. */
  readonly root?: string | undefined;
  /** Who we are, for operators. Default: host name and process id. */
  readonly identity?: string | undefined;
  /**
   * How long a shutdown waits for rounds that go on, before they are lost (`shutdown`). Default: 5
   * seconds.
   */
  readonly drain?: Duration | undefined;
}

/** Made by a class that is given to `BarrierModule.forRootAsync` as `useClass`. */
export interface BarrierOptionsFactory {
  createBarrierOptions(): BarrierModuleOptions | Promise<BarrierModuleOptions>;
}

/** One barrier that is to be injected by {@link InjectBarrier}. */
export interface BarrierFeature {
  /** Its path, as `Barriers.barrier` takes it; it is also its name. */
  readonly path: string;
  /** See `BarrierOptions.jitterMs`. Default: 0. */
  readonly jitter?: Duration | undefined;
}

/** One double barrier that is to be injected by {@link InjectDoubleBarrier}. */
export interface DoubleBarrierFeature {
  /** Its path, as `Barriers.double` takes it; it is also its name. */
  readonly path: string;
  /** How many members open a round. All processes must say the same. */
  readonly quantity: number;
}

/** What {@link BarrierModule.forFeature} provides. */
export interface BarrierFeatures {
  readonly barriers?: readonly (string | BarrierFeature)[] | undefined;
  readonly doubleBarriers?: readonly DoubleBarrierFeature[] | undefined;
  /** The `name` of the `BarrierModule` whose they are. */
  readonly module?: string | undefined;
}
