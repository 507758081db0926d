import { shown, type Feature } from '@aviary/nest';
import type { Leaders } from '../core/leaders.js';
import { LeaderSetupError } from './leader-setup-error.js';
import { getLeaderToken } from './leader.tokens.js';

/**
 * What `LeaderModule.forFeature` provides.
 *
 * @param module The `name` of the `LeaderModule` that is meant.
 * @throws {LeaderSetupError} Not a list of names. One that is no path of a role stops the start.
 */
export function leaderFeatures(
  roles: readonly string[],
  module: string | undefined,
): readonly Feature<Leaders>[] {
  // Callers without types can pass anything, such as one name.
  if (!Array.isArray(roles)) {
    refuse(`its roles must be a list, such as ["reports"], not ${shown(roles)}`);
  }
  return roles.map((role) => {
    if (typeof role !== 'string' || role === '') {
      refuse(`the name of a role must be a string, and not empty, not ${shown(role)}`);
    }
    return {
      token: getLeaderToken(role, module),
      create: (leaders: Leaders) => roleOf(leaders, role),
    };
  });
}

function roleOf(leaders: Leaders, role: string): unknown {
  try {
    return leaders.role(role);
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function refuse(problem: string, options?: ErrorOptions): never {
  throw new LeaderSetupError(`LeaderModule.forFeature: ${problem}`, options);
}
