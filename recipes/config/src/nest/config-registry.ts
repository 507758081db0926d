import type { Log } from '@aviary/foundation';
import type { ConfigClient } from '../core/config-client.js';
import type { WatchOptions } from '../core/config-options.js';
import type { LiveConfig } from '../core/live-config.js';
import {
  merged,
  type ConfigDefinition,
  type ConfigPath,
  type ConfigValues,
} from './config-definition.js';
import { ConfigSetupError } from './config-setup-error.js';

/** What a {@link ConfigRegistry} works with. */
export interface ConfigRegistryPorts {
  /** The name of the module. */
  readonly name: string;
  readonly client: ConfigClient;
  /** For definitions that say nothing else. */
  readonly defaults: Pick<WatchOptions<unknown>, 'format' | 'fallback'>;
  readonly log: Log;
}

/** A configuration that somebody wants to have, and who that is. */
export interface ConfigWish {
  readonly path: ConfigPath;
  readonly options: WatchOptions<unknown>;
}

/**
 * The configurations of one `ConfigWatchModule`: what is defined, and the objects that follow it.
 */
export class ConfigRegistry {
  readonly name: string;
  readonly client: ConfigClient;
  readonly log: Log;
  private readonly defaults: ConfigRegistryPorts['defaults'];
  private readonly definitions = new Map<string, ConfigDefinition>();
  private readonly lives = new Map<string, LiveConfig<unknown>>();
  private values: ConfigValues | null = null;
  private stage: 'gathering' | 'following' | 'ended' = 'gathering';

  constructor({ name, client, defaults, log }: ConfigRegistryPorts) {
    this.name = name;
    this.client = client;
    this.defaults = defaults;
    this.log = log;
  }

  /** Whether its application has come to its end; its objects may then belong to another one. */
  get isEnded(): boolean {
    return this.stage === 'ended';
  }

  /** All that are followed. */
  get all(): readonly LiveConfig<unknown>[] {
    return [...this.lives.values()];
  }

  /** Adds a definition, to those of the same path. @throws {ConfigSetupError} */
  define({ path, options }: ConfigWish, label: string): ConfigDefinition {
    const absolute = this.pathOf(path, label);
    const added = { path: absolute, label, options };
    const before = this.definitions.get(absolute);
    const definition = before === undefined ? added : merged(before, added);
    this.definitions.set(absolute, definition);
    return definition;
  }

  /** The object of a definition that is complete. @throws {ConfigSetupError} */
  follow({ path, label, options }: ConfigDefinition): LiveConfig<unknown> {
    const before = this.lives.get(path);
    if (before !== undefined) return before;
    if (options.schema === undefined) {
      throw new ConfigSetupError(
        `${label}: nobody says what the configuration ${path} must look like: give a schema as the ` +
          'second argument, or define it with ConfigWatchModule.forFeature(...)',
      );
    }
    const stated = Object.entries(options).filter(([, value]) => value !== undefined);
    // From now on what is left out means what stands here.
    const effective: WatchOptions<unknown> = {
      ...{ format: 'json', fallback: 'last-good' },
      ...this.defaults,
      ...Object.fromEntries(stated),
    };
    this.definitions.set(path, { path, label, options: effective });
    const live = this.attempt(label, () => this.client.watch(path, effective));
    this.lives.set(path, live);
    return live;
  }

  /** Paths that are functions can be resolved from now on. */
  useValues(values: ConfigValues): void {
    this.values = values;
  }

  /**
   * Begins to read all that is defined. @throws {ConfigSetupError} A definition is not complete.
   */
  start(): void {
    for (const definition of [...this.definitions.values()]) this.follow(definition);
    this.stage = 'following';
    this.client.start();
  }

  /** No object is given a configuration any more, except what it has. */
  end(): void {
    this.stage = 'ended';
  }

  /** The object for a wish. @throws {ConfigSetupError} The application is not that far. */
  liveOf(wish: ConfigWish, label: string): LiveConfig<unknown> {
    if (this.stage === 'gathering') {
      throw new ConfigSetupError(
        `${label} was read before the configurations are loaded, which is when the application is ` +
          'initialised: read it in a method or in onModuleInit, not in a constructor',
      );
    }
    const live = this.lives.get(this.pathOf(wish.path, label));
    return live ?? this.follow(this.define(wish, label));
  }

  /** The object for a path that somebody follows; null: nobody does. @throws {ConfigSetupError} */
  followed(path: ConfigPath, label: string): LiveConfig<unknown> | null {
    return this.lives.get(this.pathOf(path, label)) ?? null;
  }

  private pathOf(path: ConfigPath, label: string): string {
    return this.attempt(label, () => this.client.pathOf(this.resolve(path, label)));
  }

  private resolve(path: ConfigPath, label: string): string {
    if (typeof path !== 'function') return path;
    if (this.values !== null) return path(this.values);
    throw new ConfigSetupError(
      `${label}: its path is a function of the ConfigService, which is not there: import ` +
        'ConfigModule.forRoot() of @nestjs/config',
    );
  }

  private attempt<T>(label: string, action: () => T): T {
    try {
      return action();
    } catch (cause) {
      if (cause instanceof ConfigSetupError) throw cause;
      const problem = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigSetupError(`${label}: ${problem}`, { cause });
    }
  }
}
