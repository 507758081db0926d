import { hostname } from 'node:os';
import type { ModulesContainer } from '@nestjs/core';
import type { ZooKeeper } from '@aviary/client';
import type { Log } from '@aviary/foundation';
import { NestLog } from '../logging/nest-log.js';
import { durationOptionMs } from '../methods/duration.js';
import { DEFAULT_MODULE } from '../methods/runner-binding.js';
import { shown } from '../methods/shown.js';
import { misplacedExtras } from './misplaced-extras.js';
import type { RecipeExtras } from './recipe-extras.js';
import type { RecipeSetupErrorClass } from './recipe-setup-error.js';

/** It stands in each node that a process makes, and is read with each look at a queue. */
const IDENTITY_CHARACTERS_MAX = 1_000;

/** Options that every recipe's module has. */
export interface RecipeOptions {
  /**
   * Who this process is, for operators: one line of at most 1,000 characters in its nodes. Default:
   * host name and process id.
   */
  readonly identity?: string | undefined;
  /** Where it reports. Default: Nest's logger. */
  readonly log?: Log | undefined;
}

/** What a {@link RecipeSetup} is made of. */
export interface RecipeSetupFacts<Options> {
  readonly recipe: string;
  readonly logContext: string;
  readonly SetupError: RecipeSetupErrorClass;
  readonly extras: RecipeExtras;
  readonly options: Options | undefined;
  readonly zk: ZooKeeper | undefined;
  readonly modules: ModulesContainer;
}

/**
 * One import of a recipe's module: which it is, and what it was given. Its errors carry the name
 * of the module.
 */
export class RecipeSetup<Options extends RecipeOptions = RecipeOptions> {
  /** The class of the module: `LockModule`. */
  readonly moduleClass: string;
  /** The name of the module: `default`, where the application gave none. */
  readonly name: string;
  readonly options: Options;
  readonly zk: ZooKeeper;
  readonly log: Log;
  /** The option, or host name and process id. */
  readonly identity: string;
  private readonly facts: RecipeSetupFacts<Options>;

  /** @throws `SetupError`: no connection, no options, extras among them, or an identity that is none. */
  constructor(facts: RecipeSetupFacts<Options>) {
    const { recipe, logContext, extras, options, zk } = facts;
    const { name, connection } = extras;
    this.facts = facts;
    this.moduleClass = `${recipe}Module`;
    this.name = name;
    // Before all else: a connection that is missing may be the one that was meant here.
    const misplaced = misplacedExtras(options, extras);
    if (misplaced !== null) throw this.error(`: ${misplaced}`);
    if (zk === undefined) {
      const extra = connection === undefined ? '' : ` with the name "${connection}"`;
      throw this.error(` needs ZooKeeperModule.forRoot(...)${extra} in the imports`);
    }
    // From callers without types it could also be null.
    if (typeof options !== 'object' || (options as unknown) === null) {
      throw this.error(
        `: its options must be an object, not ${shown(options)}; does the factory return them?`,
      );
    }
    this.zk = zk;
    this.options = options;
    const context = name === DEFAULT_MODULE ? logContext : `${logContext}:${name}`;
    this.log = options.log ?? new NestLog(context);
    this.identity = options.identity ?? `${hostname()} ${process.pid}`;
    if (isIdentity(this.identity)) return;
    throw this.error(
      `: identity must be one line of at most ${IDENTITY_CHARACTERS_MAX} characters, ` +
        `not ${shown(this.identity)}`,
    );
  }

  /** Ends the start. @throws `SetupError`, always: `LockModule "default": <problem>`. */
  refuse(problem: string, options?: ErrorOptions): never {
    throw this.error(`: ${problem}`, options);
  }

  /** What `make` returns. @throws `SetupError` with the message of what `make` throws. */
  attempt<T>(make: () => T): T {
    try {
      return make();
    } catch (cause) {
      return this.refuse(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  /** An option that is a duration, in milliseconds; undefined if it is not set. @throws `SetupError` */
  durationMs(key: keyof Options & string): number | undefined {
    return durationOptionMs(key, this.options[key], (problem) => this.refuse(problem));
  }

  /** The names of all modules of this recipe in the application, this one's included. */
  names(): readonly string[] {
    return Array.from(this.facts.modules.values()).flatMap(({ providers }) =>
      Array.from(providers.values(), ({ instance }): unknown => instance).flatMap((instance) =>
        instance instanceof RecipeSetup && instance.moduleClass === this.moduleClass
          ? [instance.name]
          : [],
      ),
    );
  }

  /** For `onModuleInit`. @throws `SetupError`: another module of the application has this name. */
  refuseSecondOfName(): void {
    if (this.names().filter((name) => name === this.name).length < 2) return;
    throw this.error(
      ' is defined more than once; import it in one module only, or give the others a `name`',
    );
  }

  private error(sentence: string, options?: ErrorOptions): Error {
    return new this.facts.SetupError(`${this.moduleClass} "${this.name}"${sentence}`, options);
  }
}

function isIdentity(given: unknown): boolean {
  if (typeof given !== 'string' || given.length > IDENTITY_CHARACTERS_MAX) return false;
  return !/[\r\n]/.test(given);
}
