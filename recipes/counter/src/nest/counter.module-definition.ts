import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { CounterClient } from '../core/counter-client.js';
import type { CounterModuleOptions } from './counter-module-options.js';
import { CounterSetupError } from './counter-setup-error.js';
import { getCountersToken } from './counter.tokens.js';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } =
  recipeModule<CounterModuleOptions>()({
    recipe: 'Counter',
    factoryMethod: 'createCounterOptions',
    logContext: 'Counters',
    SetupError: CounterSetupError,
    parts: (name) => [{ token: getCountersToken(name), alias: CounterClient, create: newCounters }],
  });

function newCounters(setup: RecipeSetup<CounterModuleOptions>): CounterClient {
  const { zk, options, identity, log } = setup;
  const { root = '/counters' } = options;
  const waitMs = setup.durationMs('wait');
  return setup.attempt(() => new CounterClient(zk, { ...options, root, identity, log, waitMs }));
}
