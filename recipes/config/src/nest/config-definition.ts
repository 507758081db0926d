import { isDeepStrictEqual } from 'node:util';
import type { WatchOptions } from '../core/config-options.js';
import { ConfigSetupError } from './config-setup-error.js';

/** What is used of Nest's `ConfigService` where a path depends on it. */
export interface ConfigValues {
  /** The value of a key; undefined if there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as ConfigService declares it
  get(key: string): any;
  /** The value of a key. @throws if there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as ConfigService declares it
  getOrThrow(key: string): any;
}

/**
 * Where a configuration stands: below the module's `root`, absolute if it begins with a slash. A
 * function is called when the application starts, with the `ConfigService` of `@nestjs/config`.
 */
export type ConfigPath = string | ((values: ConfigValues) => string);

/** A configuration, as one mark or `forFeature` wants it. */
export interface ConfigDefinition {
  /** Absolute. */
  readonly path: string;
  /** Who says so: `@ConfigWatch() on Pricing.cfg`. */
  readonly label: string;
  readonly options: WatchOptions<unknown>;
}

/**
 * What two definitions of the same configuration say together: what one leaves out the other may
 * say.
 *
 * @throws {ConfigSetupError} They contradict each other.
 */
export function merged(one: ConfigDefinition, other: ConfigDefinition): ConfigDefinition {
  const options: Record<string, unknown> = { ...one.options };
  for (const [name, value] of Object.entries(other.options)) {
    if (value === undefined) continue;
    const before = options[name];
    const isSame = name === 'schema' ? before === value : isDeepStrictEqual(before, value);
    if (before !== undefined && !isSame) {
      throw new ConfigSetupError(
        `${one.label} and ${other.label} define the configuration ${one.path}, each with another ` +
          `${name}: let them use the same one, or leave it out in one of them`,
      );
    }
    options[name] = value;
  }
  return { path: one.path, label: one.label, options };
}
