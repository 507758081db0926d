import { DEFAULT_MODULE, Marks, markedMethodOf, returnKindOf } from '@aviary/nest';
import type { ConfigChange } from '../core/live-config.js';
import { requireRegistry } from './config-binding.js';
import type { ConfigPath } from './config-definition.js';
import { ConfigSetupError } from './config-setup-error.js';

/** A method that wants to know of changes. */
export interface ChangeMark {
  /** The name of the module. */
  readonly configs: string;
  readonly path: ConfigPath;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever type its author says
type Handler = (change: ConfigChange<any>) => unknown;

/** The methods under `@OnConfigChange()`. They describe classes, not applications. */
export const CHANGE_HANDLERS = new Marks<ChangeMark>();

const DECORATION = {
  decorator: '@OnConfigChange()',
  SetupError: ConfigSetupError,
  whyNotStatic: 'a static method has no application whose configuration it could follow',
  whyNotGenerator: 'nobody would run a generator to its end',
};

/**
 * Calls the method after each change of a configuration that the application follows, with
 * `{ previous, current, changedPaths, version, path }`.
 *
 * One call at a time: what changes while it runs is told afterwards, as one change. What it throws,
 * or its promise rejects with, is logged. The first value is no change. Calls begin when all of the
 * application is initialised, and end when it shuts down, which waits for one that runs.
 *
 * @param path As in `@ConfigWatch()`; somebody must follow it, there or in `forFeature`.
 * @param options.configs The `name` of the `ConfigWatchModule` that is meant.
 * @throws {ConfigSetupError} when the class is defined. A class of which there is not just one
 * object, and a path that nobody follows, stop the start.
 *
 * @example
 * \@OnConfigChange('pricing')
 * reprice({ current, changedPaths }: ConfigChange<Pricing>): void {}
 */
export function OnConfigChange(
  path: ConfigPath,
  options: { readonly configs?: string } = {},
): <M extends Handler>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return (target, key, descriptor) => {
    const { name } = markedMethodOf(DECORATION, target, key, descriptor);
    if (returnKindOf(target, key).kind === 'stream') {
      throw new ConfigSetupError(
        `@OnConfigChange() on ${name}: it returns an Observable, to which nobody would subscribe: ` +
          'let it return nothing or a Promise',
      );
    }
    const { configs = DEFAULT_MODULE } = options;
    CHANGE_HANDLERS.add(target, key, { configs, path });
    requireRegistry(target, configs, '@OnConfigChange()');
  };
}
