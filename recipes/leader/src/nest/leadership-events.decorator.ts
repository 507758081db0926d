import { DEFAULT_MODULE, markedMethodOf, type Marks } from '@aviary/nest';
import type { LossReason } from '@aviary/coordination';
import type { LeaderTerm } from '../core/leader-term.js';
import { GAINED_MARKS, LOST_MARKS, type RoleMark } from './leader-marks.js';
import { RUNNERS } from './leader-runner.js';
import { LeaderSetupError } from './leader-setup-error.js';

/** Which `LeaderModule` a mark means. */
export interface LeadershipEventOptions {
  /** The `name` of the module. */
  readonly leaders?: string | undefined;
}

type Marked<F> = <M extends F>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/**
 * Calls the method with the term whenever this process begins to lead a role; the application takes
 * part for it. What it does is work of the term: the role does not pass on before it has ended, or the
 * grace period. What it throws is reported, and the term goes on.
 *
 * For providers and controllers of which there is one object; others stop the start.
 *
 * @example
 * \@OnLeadershipGained('feed')
 * start(term: LeaderTerm): void {
 *   this.feed.open({ signal: term.signal });
 * }
 */
export function OnLeadershipGained(
  role: string,
  options: LeadershipEventOptions = {},
): Marked<(term: LeaderTerm) => unknown> {
  return mark('@OnLeadershipGained()', GAINED_MARKS, role, options);
}

/**
 * Calls the method with the reason whenever a term of this process ends: in the turn in which that is
 * known, also if `@OnLeadershipGained()` still runs. Where the role is still ours it does not pass on
 * before the method has ended, or the grace period.
 *
 * For providers and controllers of which there is one object; others stop the start.
 */
export function OnLeadershipLost(
  role: string,
  options: LeadershipEventOptions = {},
): Marked<(reason: LossReason, term: LeaderTerm) => unknown> {
  return mark('@OnLeadershipLost()', LOST_MARKS, role, options);
}

function mark<F>(
  decorator: string,
  marks: Marks<RoleMark>,
  role: string,
  { leaders = DEFAULT_MODULE }: LeadershipEventOptions,
): Marked<F> {
  return (target, key, descriptor) => {
    const { name } = markedMethodOf(
      {
        decorator,
        SetupError: LeaderSetupError,
        whyNotStatic: 'a static method has no application that could lead',
        whyNotGenerator: 'a generator would only be made, and nobody would run it',
      },
      target,
      key,
      descriptor,
    );
    if (typeof role !== 'string' || role === '') {
      throw new LeaderSetupError(
        `${decorator} on ${name}: its role must be a string, and not empty`,
      );
    }
    RUNNERS.require(target, { decorator, method: name, module: leaders });
    marks.add(target, key, { role, module: leaders });
  };
}
