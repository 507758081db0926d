import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { LockClient } from '../core/lock-client.js';
import { LockGuard } from './lock-guard.js';
import type { LockModuleOptions } from './lock-module-options.js';
import { LockSetupError } from './lock-setup-error.js';
import { LOCAL_GUARD, getLocksToken, guardToken } from './lock.tokens.js';

type Setup = RecipeSetup<LockModuleOptions>;

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<LockModuleOptions>()({
  recipe: 'Lock',
  factoryMethod: 'createLockOptions',
  logContext: 'Locks',
  SetupError: LockSetupError,
  parts: (name) => [
    { token: getLocksToken(name), alias: LockClient, create: newLocks },
    { token: guardToken(name), inject: [getLocksToken(name)], create: newGuard },
    {
      token: LOCAL_GUARD,
      inject: [guardToken(name)],
      create: (_setup, guard: LockGuard) => guard,
      isExported: false,
    },
  ],
});

function newLocks(setup: Setup): LockClient {
  const { zk, options, identity, log } = setup;
  const { root = '/locks' } = options;
  return setup.attempt(() => new LockClient(zk, { ...options, root, identity, log }));
}

function newGuard(setup: Setup, locks: LockClient): LockGuard {
  const { zk, log } = setup;
  const defaults = { waitMs: setup.durationMs('wait'), maxHoldMs: setup.durationMs('maxHold') };
  return new LockGuard({ locks, clock: zk.clock, log, defaults });
}
