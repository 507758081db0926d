import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which the `Groups` of a module are provided. */
export function getGroupsToken(name: string = DEFAULT_MODULE): string {
  return `aviary:groups:${name}`;
}

/** The token under which the `Services` of a module are provided. */
export function getServicesToken(name: string = DEFAULT_MODULE): string {
  return `aviary:services:${name}`;
}

/** The token of a group of `MembershipModule.forFeature`. */
export function getGroupToken(group: string, name: string = DEFAULT_MODULE): string {
  return `aviary:group:${name}:${group}`;
}

/**
 * Injects the `Groups` of a `MembershipModule`. For the one without a name the class will do as well:
 * `constructor(private readonly groups: Groups)`.
 */
export function InjectGroups(name?: string): ReturnType<typeof Inject> {
  return Inject(getGroupsToken(name));
}

/** Injects the `Services` of a `MembershipModule`; see {@link InjectGroups}. */
export function InjectServices(name?: string): ReturnType<typeof Inject> {
  return Inject(getServicesToken(name));
}

/**
 * Injects a group of `MembershipModule.forFeature([group])`. To inject one does not make the process a
 * member: `group.join()` does.
 *
 * @example
 * constructor(@InjectGroup('workers') private readonly workers: Group<{ zone: string }>) {}
 */
export function InjectGroup(group: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getGroupToken(group, name));
}
