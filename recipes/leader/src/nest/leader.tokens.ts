import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which `Leaders` are provided, for `inject: [...]` and for tests. */
export function getLeadersToken(name: string = DEFAULT_MODULE): string {
  return `aviary:leaders:${name}`;
}

/** The token of a role that `LeaderModule.forFeature` provides. */
export function getLeaderToken(role: string, name: string = DEFAULT_MODULE): string {
  return `aviary:leader:${name}:${role}`;
}

/**
 * Injects the `Leaders` of a `LeaderModule`. For the one without a name the class will do as well:
 * `constructor(private readonly leaders: Leaders)`.
 */
export function InjectLeaders(name?: string): ReturnType<typeof Inject> {
  return Inject(getLeadersToken(name));
}

/**
 * Injects a role that the module imports by `LeaderModule.forFeature([role])`. To inject it does not
 * make this process take part.
 *
 * @example
 * constructor(@InjectLeader('reports') private readonly reports: LeaderRole) {}
 */
export function InjectLeader(role: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getLeaderToken(role, name));
}

/** The token under which `LeaderCronJobs` are provided. */
export function getCronJobsToken(name: string = DEFAULT_MODULE): string {
  return `aviary:leader-cron:${name}`;
}

/** The token of what runs the leader's methods. */
export function runnerToken(name: string): string {
  return `aviary:leader-runner:${name}`;
}

/** The runner of a module, inside that module. */
export const LOCAL_RUNNER = Symbol('aviary:leaders:runner');
