import { ParameterMarks } from '@aviary/nest';
import { LeaderSetupError } from './leader-setup-error.js';

/** The parameters that take a term. */
export const TERMS = new ParameterMarks({
  decorator: '@Term()',
  SetupError: LeaderSetupError,
  whyNotStatic: 'a static method has no application that could lead',
  methodDecorators:
    '@LeaderOnly(role), @LeaderCron(expression), @OnLeadershipGained(role) or ' +
    '@OnLeadershipLost(role)',
});

/**
 * Gives the parameter the term in which the method runs, whatever else it is called with: Nest's
 * scheduler and `this.method()` need not know of it. Between two marks of the method that of the inner
 * decides.
 *
 * For a method that is called by hand make it the last one, and optional.
 *
 * @throws {LeaderSetupError} when the class is defined: it is no parameter of a method. A method
 * without a mark of the leader stops the start.
 *
 * @example
 * \@LeaderOnly('reports')
 * \@Cron('0 * * * *', { name: 'hourly' })
 * async hourly(@Term() term: LeaderTerm): Promise<void> {}
 */
export function Term(): ParameterDecorator {
  return (target, key, index) => TERMS.add(target, key, index);
}
