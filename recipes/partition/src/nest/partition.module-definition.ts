import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { Partitions } from '../core/partitions.js';
import type { PartitionModuleOptions } from './partition-module-options.js';
import { PartitionRunner } from './partition-runner.js';
import { PartitionSetupError } from './partition-setup-error.js';
import { LOCAL_RUNNER, getPartitionsToken, runnerToken } from './partition.tokens.js';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } =
  recipeModule<PartitionModuleOptions>()({
    recipe: 'Partition',
    factoryMethod: 'createPartitionOptions',
    logContext: 'Partitions',
    SetupError: PartitionSetupError,
    parts: (name) => [
      { token: getPartitionsToken(name), alias: Partitions, create: newPartitions },
      { token: runnerToken(name), create: () => new PartitionRunner() },
      {
        token: LOCAL_RUNNER,
        inject: [runnerToken(name)],
        create: (_setup, runner: PartitionRunner) => runner,
        isExported: false,
      },
    ],
  });

function newPartitions(setup: RecipeSetup<PartitionModuleOptions>): Partitions {
  const { zk, options, identity, log } = setup;
  return setup.attempt(() => new Partitions(zk, { ...options, identity, log }));
}
