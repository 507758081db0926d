import type { WatchOptions } from '../core/config-options.js';
import type { ConfigSchema } from '../core/schema.js';
import { DEFAULT_MODULE } from '@aviary/nest';
import type { ConfigPath } from './config-definition.js';
import { WATCHED, requireRegistry } from './config-binding.js';
import { ConfigSetupError } from './config-setup-error.js';

/** How a property under {@link ConfigWatch} is read. A default is written as data are. */
export interface ConfigWatchOptions<Data> extends Omit<WatchOptions<unknown, Data>, 'schema'> {
  /** The `name` of the `ConfigWatchModule` that is meant. */
  readonly configs?: string | undefined;
}

/**
 * Gives the property the `LiveConfig` of a configuration, which has its first value when the
 * application is initialised. All objects of an application share one for each path, request-scoped
 * ones included.
 *
 * It is there from `onModuleInit` on. In the constructor the property is undefined still; from then on to
 * `onModuleInit`, reading it throws ConfigSetupError.
 *
 * @param path Below the module's root, absolute if it begins with a slash, or a function that makes
 * one of the `ConfigService` when the application starts.
 * @param schema A Standard Schema. Several marks may name the same path, with the same schema; all
 * but one may leave it out, and all if `forFeature` defines it.
 * @throws {ConfigSetupError} when the class is defined; all else stops the start.
 *
 * @example
 * \@ConfigWatch('pricing', Pricing, { fallback: { default: { vat: 0.2 } } })
 * readonly pricing!: LiveConfig<Pricing>;
 */
export function ConfigWatch<Data = unknown>(
  path: ConfigPath,
  schema?: ConfigSchema<unknown, Data>,
  options: ConfigWatchOptions<Data> = {},
): (target: object, key: string | symbol, descriptor?: undefined) => void {
  return (target, key, descriptor?: unknown) => {
    const isStatic = typeof target === 'function';
    const owner = isStatic ? target.name : target.constructor.name;
    const name = (key as string | symbol | undefined) === undefined ? '' : `.${String(key)}`;
    const label = `@ConfigWatch() on ${owner}${name}`;
    const refuse = (problem: string): never => {
      throw new ConfigSetupError(`${label}: ${problem}`);
    };
    if (typeof descriptor === 'number') {
      refuse('it belongs on a property; for a parameter there is @InjectConfig(path)');
    }
    if (typeof descriptor === 'object' && descriptor !== null) {
      refuse('it belongs on a property, not on a method or an accessor');
    }
    if (isStatic && name === '') {
      refuse('it belongs on a property, not on a class');
    }
    if (isStatic) refuse('a static property has no application whose configuration it could be');
    const { configs = DEFAULT_MODULE, ...rest } = options;
    const wish = { path, options: { schema, ...rest } as WatchOptions<unknown> };
    WATCHED.add(target, key, { configs, label, wish });
    requireRegistry(target, configs, '@ConfigWatch()');
  };
}
