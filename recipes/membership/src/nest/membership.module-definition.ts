import { recipeModule, type RecipeSetup } from '@aviary/nest';
import { Groups } from '../core/groups.js';
import { Services } from '../core/services.js';
import type { MembershipModuleOptions } from './membership-module-options.js';
import { MembershipSetupError } from './membership-setup-error.js';
import { getGroupsToken, getServicesToken } from './membership.tokens.js';

type Setup = RecipeSetup<MembershipModuleOptions>;

export const { ConfigurableModuleClass, OPTIONS_TYPE, SETUP } =
  recipeModule<MembershipModuleOptions>()({
    recipe: 'Membership',
    factoryMethod: 'createMembershipOptions',
    logContext: 'Membership',
    SetupError: MembershipSetupError,
    parts: (name) => [
      { token: getGroupsToken(name), alias: Groups, create: newGroups },
      { token: getServicesToken(name), alias: Services, create: newServices },
    ],
  });

function newGroups(setup: Setup): Groups {
  const { zk, options, identity, log } = setup;
  return setup.attempt(() => new Groups(zk, { ...options, identity, log }));
}

function newServices(setup: Setup): Services {
  const { zk, options, log } = setup;
  const { servicesRoot: root, acl } = options;
  return setup.attempt(() => new Services(zk, { root, acl, log }));
}
