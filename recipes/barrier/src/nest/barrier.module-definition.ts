import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { Barriers } from '../core/barriers.js';
import type { BarrierModuleOptions } from './barrier-module-options.js';
import { BarrierSetupError } from './barrier-setup-error.js';
import { getBarriersToken } from './barrier.tokens.js';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } =
  recipeModule<BarrierModuleOptions>()({
    recipe: 'Barrier',
    factoryMethod: 'createBarrierOptions',
    logContext: 'Barriers',
    SetupError: BarrierSetupError,
    parts: (name) => [{ token: getBarriersToken(name), alias: Barriers, create: newBarriers }],
  });

function newBarriers(setup: RecipeSetup<BarrierModuleOptions>): Barriers {
  const { zk, options, identity, log } = setup;
  const { root = '/barriers' } = options;
  return setup.attempt(() => new Barriers(zk, { ...options, root, identity, log }));
}
