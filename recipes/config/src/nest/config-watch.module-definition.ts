import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { ConfigClient } from '../core/config-client.js';
import type { ConfigModuleOptions } from './config-module-options.js';
import { ConfigRegistry } from './config-registry.js';
import { ConfigSetupError } from './config-setup-error.js';
import { LOCAL_REGISTRY, getConfigsToken, registryToken } from './config.tokens.js';

type Setup = RecipeSetup<ConfigModuleOptions>;

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<ConfigModuleOptions>()(
  {
    recipe: 'ConfigWatch',
    factoryMethod: 'createConfigOptions',
    logContext: 'Configs',
    SetupError: ConfigSetupError,
    parts: (name) => [
      { token: getConfigsToken(name), alias: ConfigClient, create: newClient },
      { token: registryToken(name), inject: [getConfigsToken(name)], create: newRegistry },
      {
        token: LOCAL_REGISTRY,
        inject: [registryToken(name)],
        create: (_setup, registry: ConfigRegistry) => registry,
        isExported: false,
      },
    ],
  },
);

function newClient(setup: Setup): ConfigClient {
  const { zk, options, identity, log } = setup;
  return setup.attempt(() => ConfigClient.deferred(zk, { ...options, identity, log }));
}

function newRegistry(setup: Setup, client: ConfigClient): ConfigRegistry {
  const { name, log } = setup;
  const { format = 'json', fallback = 'last-good' } = setup.options;
  return new ConfigRegistry({ name, client, defaults: { format, fallback }, log });
}
