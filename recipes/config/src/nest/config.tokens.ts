import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which a `ConfigClient` is provided, for `inject: [...]` and for tests. */
export function getConfigsToken(name: string = DEFAULT_MODULE): string {
  return `aviary:configs:${name}`;
}

/**
 * Injects the `ConfigClient` of a `ConfigWatchModule`, to publish with. For the module without a
 * name the class will do as well: `constructor(private readonly configs: ConfigClient)`.
 */
export function InjectConfigs(name?: string): ReturnType<typeof Inject> {
  return Inject(getConfigsToken(name));
}

/** The token of a configuration that `ConfigWatchModule.forFeature` defines, by its path there. */
export function getConfigToken(path: string, name: string = DEFAULT_MODULE): string {
  return `aviary:config:${name}:${path}`;
}

/**
 * Injects the `LiveConfig` of a configuration that `ConfigWatchModule.forFeature` defines.
 *
 * @param path As it is written there.
 * @param name The name of the `ConfigWatchModule`, if it has one.
 *
 * @example
 * constructor(@InjectConfig('pricing') private readonly pricing: LiveConfig<Pricing>) {}
 */
export function InjectConfig(path: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getConfigToken(path, name));
}

/** The token of what gives objects their configurations. */
export function registryToken(name: string): string {
  return `aviary:config-registry:${name}`;
}

/** The same, inside of its module. */
export const LOCAL_REGISTRY = Symbol('aviary:config-registry');
