import type { Duration } from '@aviary/nest';
import type { ConfigClientOptions, WatchOptions } from '../core/config-options.js';
import type { ConfigPath } from './config-definition.js';

/** A configuration that `ConfigService` of `@nestjs/config` shows, too. */
export interface ConfigBridge {
  /** As in `@ConfigWatch()`; somebody must follow it, there or in `forFeature`. */
  readonly path: ConfigPath;
  /**
   * The key under which `ConfigService.get` finds it: `pricing` for `config.get('pricing.vat')`.
   */
  readonly into: string;
}

/** How an application follows configurations. Everything has a default. */
export interface ConfigModuleOptions extends ConfigClientOptions {
  /** How data are written, for configurations that say nothing else. Default: `json`. */
  readonly format?: WatchOptions<unknown>['format'];
  /** For configurations that say nothing else. Default: `last-good`. */
  readonly fallback?: 'last-good' | 'fail' | undefined;
  /**
   * How long the start waits for first values, before it takes defaults or fails. Default: 10
   * seconds.
   */
  readonly wait?: Duration | undefined;
  /**
   * How long a shutdown waits for methods under `@OnConfigChange()` that run. Default: 5 seconds.
   */
  readonly drain?: Duration | undefined;
  /**
   * Configurations that are mirrored into `ConfigService`, at the start and after each change. They
   * never reach `process.env`. Default: none.
   */
  readonly bridge?: readonly ConfigBridge[] | undefined;
}

/** Made by a class that is given to `ConfigWatchModule.forRootAsync` as `useClass`. */
export interface ConfigOptionsFactory {
  createConfigOptions(): ConfigModuleOptions | Promise<ConfigModuleOptions>;
}

/** One configuration of `ConfigWatchModule.forFeature`. */
export interface ConfigFeature<T = unknown> extends WatchOptions<T> {
  /** Below the module's root, or absolute if it begins with a slash. */
  readonly path: string;
}
