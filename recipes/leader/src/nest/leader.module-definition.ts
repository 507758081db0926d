import { pathProblem } from '@aviary/foundation';
import { DEFAULT_MODULE, recipeModule, type RecipeSetup } from '@aviary/nest';
import { Leaders, LEADERS_ROOT } from '../core/leaders.js';
import { LeaderCronJobs } from './leader-cron-jobs.js';
import type { LeaderModuleOptions } from './leader-module-options.js';
import { LeaderRunner } from './leader-runner.js';
import { LeaderSetupError } from './leader-setup-error.js';
import { LOCAL_RUNNER, getCronJobsToken, getLeadersToken, runnerToken } from './leader.tokens.js';

type Setup = RecipeSetup<LeaderModuleOptions>;

const CRON_ROOT = '/leader-cron';

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } = recipeModule<LeaderModuleOptions>()(
  {
    recipe: 'Leader',
    factoryMethod: 'createLeaderOptions',
    logContext: 'Leaders',
    SetupError: LeaderSetupError,
    parts: (name) => [
      { token: getLeadersToken(name), alias: Leaders, create: newLeaders },
      {
        token: runnerToken(name),
        inject: [getLeadersToken(name)],
        create: (_setup, leaders: Leaders) => new LeaderRunner(leaders),
      },
      {
        token: LOCAL_RUNNER,
        inject: [runnerToken(name)],
        create: (_setup, runner: LeaderRunner) => runner,
        isExported: false,
      },
      { token: getCronJobsToken(name), alias: LeaderCronJobs, create: newCronJobs },
    ],
  },
);

function newLeaders(setup: Setup): Leaders {
  const { zk, options, identity, log } = setup;
  const { root = LEADERS_ROOT } = options;
  const graceMs = setup.durationMs('grace');
  return setup.attempt(() => new Leaders(zk, { ...options, root, identity, log, graceMs }));
}

function newCronJobs(setup: Setup): LeaderCronJobs {
  const { zk, options, log, name } = setup;
  // Names of jobs are unique in a module, so each module has its own records.
  const ownRoot = name === DEFAULT_MODULE ? CRON_ROOT : `${CRON_ROOT}-${name}`;
  const { cronRoot = ownRoot, acl } = options;
  const problem = pathProblem(cronRoot);
  if (problem !== null) setup.refuse(`cronRoot: ${problem}`);
  return new LeaderCronJobs({ zk, root: cronRoot, acl, log });
}
