import type { Duration, RecipeOptions } from '@aviary/nest';
import type { CounterClientOptions, CounterSettings } from '../core/counter-client.js';

/** How an application counts. Everything has a default. */
export interface CounterModuleOptions
  extends RecipeOptions, Omit<CounterClientOptions, 'waitMs' | 'identity' | 'log'> {
  /** Where paths that do not begin with a slash stand. Default: `/counters`. */
  readonly root?: string | undefined;
  /** The longest that a call takes that says nothing else. Default: 30 seconds. */
  readonly wait?: Duration | undefined;
  /** How long a shutdown waits for changes that are under way. Default: 3 seconds. */
  readonly drain?: Duration | undefined;
}

/** Made by a class that is given to `CounterModule.forRootAsync` as `useClass`. */
export interface CounterOptionsFactory {
  createCounterOptions(): CounterModuleOptions | Promise<CounterModuleOptions>;
}

/** One thing to inject with `@InjectCounter(path)`. A path alone is a counter of 64 bits. */
export type CounterFeature =
  | string
  | (CounterSettings & { readonly path: string } & (
        | { readonly kind?: 'int64' | 'int32' | 'value' }
        | { readonly kind: 'block'; readonly size: number }
      ));
