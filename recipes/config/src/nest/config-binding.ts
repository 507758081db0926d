import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE, Marks } from '@aviary/nest';
import { ConfigRegistry, type ConfigWish } from './config-registry.js';
import { ConfigSetupError } from './config-setup-error.js';
import { registryToken } from './config.tokens.js';

/** A property that is to be a configuration. */
export interface WatchMark {
  /** The name of the module. */
  readonly configs: string;
  /** As in `@ConfigWatch() on Pricing.cfg`. */
  readonly label: string;
  readonly wish: ConfigWish;
}

/** The properties under `@ConfigWatch()`. They describe classes, not applications. */
export const WATCHED = new Marks<WatchMark>();

/** The hidden properties' keys, by decorator and name of the module. */
const keys = new Map<string, symbol>();

/** Which application's configurations an object has, by the name of the module. */
const bound = new WeakMap<object, Map<string, ConfigRegistry>>();

/**
 * Makes Nest give each object of a class what its marks need: by a hidden property, which Nest
 * injects. So each object has the configurations of the application that made it, whatever its
 * scope; and where the module is missing Nest does not start, because it cannot resolve the
 * property.
 */
export function requireRegistry(prototype: object, configs: string, decorator: string): void {
  const key = keyOf(configs, decorator);
  if (key in prototype) return;
  Inject(registryToken(configs))(prototype, key);
  Object.defineProperty(prototype, key, {
    configurable: true,
    set(this: object, registry: unknown) {
      bindObject(this, configs, registry);
    },
  });
}

/** Gives an object the configurations of a module. @throws {ConfigSetupError} It cannot be. */
export function bindObject(instance: object, configs: string, registry: unknown): void {
  const marks = WATCHED.of(Object.getPrototypeOf(instance) as object);
  const own = marks.filter(([, mark]) => mark.configs === configs);
  const [first] = own;
  if (first === undefined) return;
  const [, { label }] = first;
  if (!(registry instanceof ConfigRegistry)) {
    throw new ConfigSetupError(
      `${label} was given a substitute for its configuration: import ConfigWatchModule, ` +
        'and substitute what is provided as getConfigsToken()',
    );
  }
  const registries = bound.get(instance) ?? new Map<string, ConfigRegistry>();
  const before = registries.get(configs);
  if (before === registry) return;
  if (before?.isEnded === false) {
    throw new ConfigSetupError(
      `${label}: its object belongs to two applications at the same time, so nobody could say ` +
        'whose configuration it has',
    );
  }
  bound.set(instance, registries.set(configs, registry));
  for (const [key, mark] of own) bindProperty(instance, key, mark, registry);
}

function bindProperty(
  instance: object,
  key: string | symbol,
  { label, wish }: WatchMark,
  registry: ConfigRegistry,
): void {
  const isBound = Reflect.defineProperty(instance, key, {
    get: () => registry.liveOf(wish, label),
    configurable: true,
    // Nest looks through what can be enumerated for clients of microservices, before it
    // initialises.
    enumerable: false,
  });
  if (isBound) return;
  throw new ConfigSetupError(`${label} cannot be given its value, because its object is frozen`);
}

/** Nest prints the description when it cannot resolve the property, so that is what it is for. */
function keyOf(configs: string, decorator: string): symbol {
  const name = configs === DEFAULT_MODULE ? '' : ` with the name "${configs}"`;
  const description = `its ${decorator} needs ConfigWatchModule.forRoot(...)${name} in the imports`;
  const key = keys.get(description) ?? Symbol(description);
  keys.set(description, key);
  return key;
}
