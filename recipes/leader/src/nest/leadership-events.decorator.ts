import type { Marks } from '@aviary/nest';
import type { LossReason } from '@aviary/coordination';
import type { LeaderTerm } from '../core/leader-term.js';
import { leaderMethodOf } from './leader-decoration.js';
import { GAINED_MARKS, LOST_MARKS, type ListenerMark } from './leader-marks.js';
import { RUNNERS } from './leader-runner.js';
import { TERMS } from './term.decorator.js';

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
  marks: Marks<ListenerMark>,
  role: string,
  options: LeadershipEventOptions,
): Marked<F> {
  return (target, key, descriptor) => {
    const decoration = { decorator, role, options };
    const { name, module } = leaderMethodOf(decoration, target, key, descriptor);
    RUNNERS.require(target, { decorator, method: name, module });
    marks.add(target, key, { role, module, terms: TERMS.claim(target, key) });
  };
}
