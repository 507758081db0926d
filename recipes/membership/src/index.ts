/** Groups, and services that are found; see README.md. */
export { AlreadyPresentError, PresenceLeftError } from '@aviary/coordination';
export type { PresenceState } from '@aviary/coordination';
export { Group } from './core/group.js';
export type { JoinOptions } from './core/group.js';
export { Groups } from './core/groups.js';
export type { GroupsOptions } from './core/groups.js';
export type { Member, MemberChange, PayloadFormat } from './core/member.js';
export { Membership } from './core/membership.js';
export { MembershipsClosedError } from './core/membership-errors.js';
export type { RosterView } from './core/roster.js';
