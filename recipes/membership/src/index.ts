/** Groups, and services that are found; see README.md. */
export { AlreadyPresentError, PresenceLeftError, TtlUnsupportedError } from '@aviary/coordination';
export type { PresenceState } from '@aviary/coordination';
export { Group } from './core/group.js';
export type { JoinOptions } from './core/group.js';
export { Groups } from './core/groups.js';
export type { GroupsOptions } from './core/groups.js';
export type { Member, MemberChange, PayloadFormat } from './core/member.js';
export { Membership } from './core/membership.js';
export { MembershipsClosedError, PayloadError } from './core/membership-errors.js';
export type { RosterView } from './core/roster.js';
export { Registration } from './core/registration.js';
export type { InstanceStatus, RegisterSettings } from './core/registration.js';
export { decodeInstance, encodeInstance, uriOf } from './core/service-instance.js';
export type {
  InstanceFacts,
  ServiceInstance,
  ServiceType,
  UriPart,
} from './core/service-instance.js';
export { Services } from './core/services.js';
export type { DiscoveredInstance, DiscoveredService, ServicesOptions } from './core/services.js';
export { DiscoveredClient } from './nest/discovered-client.js';
export type { DiscoveredClientOptions } from './nest/discovered-client-options.js';
export { NoInstanceError } from './nest/no-instance-error.js';
export type {
  MembershipModuleOptions,
  MembershipOptionsFactory,
} from './nest/membership-module-options.js';
export { MembershipSetupError } from './nest/membership-setup-error.js';
export { MembershipModule } from './nest/membership.module.js';
export {
  getGroupsToken,
  getGroupToken,
  getServicesToken,
  InjectGroup,
  InjectGroups,
  InjectServices,
} from './nest/membership.tokens.js';
export { ServiceRegistrar } from './nest/service-registrar.js';
export { ServiceRegistryModule } from './nest/service-registry.module.js';
export type {
  ServiceRegistryOptions,
  ServiceRegistryOptionsFactory,
} from './nest/service-registry-options.js';
