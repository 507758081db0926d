import type { Duration, RecipeOptions } from '@aviary/nest';
import type { PartitionsOptions } from '../core/partitions.js';

/** How an application shares items with others. Everything has a default. */
export interface PartitionModuleOptions extends PartitionsOptions, RecipeOptions {
  /** Who we are, for operators. Default: host name and process id. */
  readonly identity?: string | undefined;
  /** For marked methods that say nothing else; see `JoinOptions.graceMs`. Default: 10 seconds. */
  readonly grace?: Duration | undefined;
  /** For marked methods that say nothing else; see `JoinOptions.settleMs`. Default: 0.5 seconds. */
  readonly settle?: Duration | undefined;
}

/** Made by a class that is given to `PartitionModule.forRootAsync` as `useClass`. */
export interface PartitionOptionsFactory {
  createPartitionOptions(): PartitionModuleOptions | Promise<PartitionModuleOptions>;
}
