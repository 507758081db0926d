import type { GroupsOptions } from '../core/groups.js';

/** How an application is a member of groups and offers services. Everything has a default. */
export interface MembershipModuleOptions extends GroupsOptions {
  /** Where services stand. Default: `/services`, as Spring Cloud's. */
  readonly servicesRoot?: string | undefined;
}

/** Made by a class that is given to `MembershipModule.forRootAsync` as `useClass`. */
export interface MembershipOptionsFactory {
  createMembershipOptions(): MembershipModuleOptions | Promise<MembershipModuleOptions>;
}
