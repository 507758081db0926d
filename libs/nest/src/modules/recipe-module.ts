import {
  ConfigurableModuleBuilder,
  type ConfigurableModuleCls,
  type DynamicModule,
  type Provider,
  type Type,
} from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import type { ZooKeeper } from '@aviary/client';
import { DEFAULT_MODULE } from '../methods/runner-binding.js';
import { getZooKeeperToken } from '../zookeeper/zookeeper.tokens.js';
import type { RecipeExtras } from './recipe-extras.js';
import type { RecipeSetupErrorClass } from './recipe-setup-error.js';
import { RecipeSetup, type RecipeOptions } from './recipe-setup.js';

/** Something that a recipe's module provides, made once when the application starts. */
export interface RecipePart<Options extends RecipeOptions> {
  readonly token: string | symbol;
  /** Parts that it is made of, by their tokens. */
  readonly inject?: readonly (string | symbol)[];
  readonly create: (setup: RecipeSetup<Options>, ...parts: never[]) => unknown;
  /** The class under which it is provided, too, by the module that has no name. */
  readonly alias?: Type;
  /** Whether other modules can inject it. Default: true. */
  readonly isExported?: boolean;
}

/** A recipe, as its module shows it. */
export interface RecipeDefinition<Options extends RecipeOptions, Factory extends string> {
  /** As in `LockModule`: `Lock`. */
  readonly recipe: string;
  /** The method of a class that is given to `forRootAsync` as `useClass`: `createLockOptions`. */
  readonly factoryMethod: Factory;
  /** Where it reports, in Nest's logger: `Locks`. */
  readonly logContext: string;
  readonly SetupError: RecipeSetupErrorClass;
  /** What the module of that name provides. */
  readonly parts: (name: string) => readonly RecipePart<Options>[];
}

/** What {@link recipeModule} makes. */
export interface RecipeModuleHost<Options extends RecipeOptions, Factory extends string> {
  /** The module's class extends it: `forRoot` and `forRootAsync`, with {@link RecipeExtras}. */
  readonly ConfigurableModuleClass: ConfigurableModuleCls<
    Options,
    'forRoot',
    Factory,
    RecipeExtras
  >;
  /** Only for its type: what `forRoot` takes. */
  readonly OPTIONS_TYPE: Options & Partial<RecipeExtras>;
  /**
   * The token of the module's {@link RecipeSetup}, inside that module. The module's constructor injects it
   * as `@Optional()`: it is missing where somebody imports the class and not `forRoot(...)`.
   */
  readonly SETUP: symbol;
}

/**
 * What the modules of all recipes have in common: `forRoot` and `forRootAsync` with the extras `name`,
 * `connection` and `isGlobal`, the session of a `ZooKeeperModule`, and setup errors that name the module.
 * `DiscoveryModule` is imported.
 *
 * @example
 * export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<LockModuleOptions>()({
 *   recipe: 'Lock',
 *   factoryMethod: 'createLockOptions',
 *   logContext: 'Locks',
 *   SetupError: LockSetupError,
 *   parts: (name) => [
 *     { token: getLocksToken(name), alias: LockClient, create: (setup) => new LockClient(setup.zk) },
 *   ],
 * });
 */
export function recipeModule<Options extends RecipeOptions>(): <Factory extends string>(
  definition: RecipeDefinition<Options, Factory>,
) => RecipeModuleHost<Options, Factory> {
  return <Factory extends string>(definition: RecipeDefinition<Options, Factory>) => {
    const { recipe, factoryMethod } = definition;
    const SETUP = Symbol(`aviary:${recipe}:setup`);
    const OPTIONS = Symbol(`aviary:${recipe}:options`);
    const extras: RecipeExtras = { name: DEFAULT_MODULE, connection: undefined, isGlobal: true };
    const { ConfigurableModuleClass, OPTIONS_TYPE } = new ConfigurableModuleBuilder<Options>({
      optionsInjectionToken: OPTIONS,
    })
      .setClassMethodName('forRoot')
      .setFactoryMethodName(factoryMethod)
      .setExtras(extras, (module, given) => withParts(module, given, definition, OPTIONS, SETUP))
      .build();
    return { ConfigurableModuleClass, OPTIONS_TYPE, SETUP };
  };
}

function withParts<Options extends RecipeOptions>(
  module: DynamicModule,
  { name, connection, isGlobal }: RecipeExtras,
  { recipe, logContext, SetupError, parts }: RecipeDefinition<Options, string>,
  OPTIONS: symbol,
  SETUP: symbol,
): DynamicModule {
  // Nest hands over the options of `forRoot`, too.
  const extras: RecipeExtras = { name, connection, isGlobal };
  const setup: Provider = {
    provide: SETUP,
    inject: [OPTIONS, { token: getZooKeeperToken(connection), optional: true }, ModulesContainer],
    useFactory: (
      options: Options | undefined,
      zk: ZooKeeper | undefined,
      modules: ModulesContainer,
    ) => new RecipeSetup({ recipe, logContext, SetupError, extras, options, zk, modules }),
  };
  const providers: Provider[] = [setup];
  const exported: (string | symbol | Type)[] = [];
  for (const { token, inject = [], create, alias, isExported = true } of parts(name)) {
    providers.push({ provide: token, inject: [SETUP, ...inject], useFactory: create });
    if (isExported) exported.push(token);
    if (alias === undefined || name !== DEFAULT_MODULE) continue;
    providers.push({ provide: alias, useExisting: token });
    exported.push(alias);
  }
  return {
    ...module,
    global: isGlobal,
    imports: [...(module.imports ?? []), DiscoveryModule],
    providers: [...(module.providers ?? []), ...providers],
    exports: [...(module.exports ?? []), ...exported],
  };
}
