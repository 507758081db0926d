import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { QueueClient } from '../core/queue-client.js';
import type { QueueModuleOptions } from './queue-module-options.js';
import { QueueRunner } from './queue-runner.js';
import { QueueSetupError } from './queue-setup-error.js';
import { LOCAL_RUNNER, getQueuesToken, runnerToken } from './queue.tokens.js';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<QueueModuleOptions>()({
  recipe: 'Queue',
  factoryMethod: 'createQueueOptions',
  logContext: 'Queues',
  SetupError: QueueSetupError,
  parts: (name) => [
    { token: getQueuesToken(name), alias: QueueClient, create: newQueues },
    {
      token: runnerToken(name),
      inject: [getQueuesToken(name)],
      create: (_setup, queues: unknown) => new QueueRunner(queues),
    },
    {
      token: LOCAL_RUNNER,
      inject: [runnerToken(name)],
      create: (_setup, runner: QueueRunner) => runner,
      isExported: false,
    },
  ],
});

function newQueues(setup: RecipeSetup<QueueModuleOptions>): QueueClient {
  const { zk, options, identity, log } = setup;
  const { root = '/queues' } = options;
  const waitMs = setup.durationMs('wait');
  return setup.attempt(() => new QueueClient(zk, { ...options, root, identity, log, waitMs }));
}
