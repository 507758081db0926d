import 'reflect-metadata';
import { dress, placeArgument, returnKindOf, type Method, type RunnerMark } from '@aviary/nest';
import type { LeaderTerm } from '../core/leader-term.js';
import { checkWay, leaderMethodOf, type LeaderMethod } from './leader-decoration.js';
import { ONLY_MARKS } from './leader-marks.js';
import { RUNNERS, type LeaderCall, type Otherwise, type StreamInTerm } from './leader-runner.js';
import { TERMS } from './term.decorator.js';

/** What a method under {@link LeaderOnly} does where this process does not lead, and when it loses. */
export interface LeaderOnlyOptions {
  /** Default: `throw`; for a scheduled job (`@Cron`, `@Interval`, `@Timeout`) `skip`. */
  readonly otherwise?: Otherwise | undefined;
  /**
   * What becomes of a call whose role is lost while it runs; `currentTerm().signal` aborts in any
   * case. `abort` (the default): it rejects with LeaseLostError (`unknown`) when the method has ended, a
   * stream at once. `ignore`: the method's result stands.
   */
  readonly onLost?: 'abort' | 'ignore' | undefined;
  /** The `name` of the `LeaderModule` that is meant. */
  readonly leaders?: string | undefined;
}

const DECORATOR = '@LeaderOnly()';

/** Set by @nestjs/schedule on the methods that it runs. */
const SCHEDULER_TYPE = 'SCHEDULER_TYPE';

/**
 * Runs the method only where this process leads a role; the application takes part for it.
 *
 * Whoever calls it is guarded, `this.method()` included. It works on every class of which Nest makes
 * the objects, whatever their scope, beside other decorators in any order. Nothing is waited for, so
 * the method may be synchronous, too. Before the role passes on, its calls that run are waited for, at most
 * the grace period; a stream counts as one call for each subscriber.
 *
 * Inside, `currentTerm()` or a parameter under `Term` gives the term: `signal`, `assertHeld()`, `token`,
 * `transaction()`.
 *
 * @param role Below the module's root.
 * @throws {LeaderSetupError} when the class is defined: it stands on something that is no method.
 *
 * @example
 * \@LeaderOnly('reports')
 * \@Cron('0 * * * *', { name: 'hourly' })
 * async hourly(@Term() term: LeaderTerm): Promise<void> {
 *   const report = await this.reports.collect({ signal: term.signal });
 *   term.assertHeld();
 *   await this.store.save(report, { fence: term.token });
 * }
 */
export function LeaderOnly(role: string, options: LeaderOnlyOptions = {}): MethodDecorator {
  return (target, key, descriptor) => {
    const whyNotGenerator = 'a generator has no end that the role could be kept until';
    const decoration = { decorator: DECORATOR, role, options, whyNotGenerator };
    const found = leaderMethodOf(decoration, target, key, descriptor);
    checkOptions(found, options);
    const { value: method, name, module } = found;
    const mark: RunnerMark = { decorator: DECORATOR, method: name, module };
    const callOf = (wrapper: Method, args: readonly unknown[]): LeaderCall => {
      const isScheduled = Reflect.hasMetadata(SCHEDULER_TYPE, wrapper);
      const { otherwise = isScheduled ? 'skip' : 'throw', onLost = 'abort' } = options;
      return { method: name, args, role, otherwise, onLost };
    };
    const terms = TERMS.claim(target, key);
    const inTerm: InTerm = (self, args, term) =>
      method.apply(self, placeArgument(args, terms, term));
    const wrapper = wrapperOf(inTerm, mark, callOf, kindOf(target, key, method));
    dress(wrapper, method);
    RUNNERS.require(target, mark);
    ONLY_MARKS.add(target, key, { role, module });
    descriptor.value = wrapper as never;
  };
}

type Kind = 'promise' | 'stream' | 'immediate';

function kindOf(target: object, key: string | symbol, method: Method): Kind {
  const { kind } = returnKindOf(target, key);
  if (kind !== 'unsaid') return kind;
  const isAsync = Object.prototype.toString.call(method) === '[object AsyncFunction]';
  return isAsync ? 'promise' : 'immediate';
}

/** Calls the method, with its term where it wants it. */
type InTerm = (self: unknown, args: readonly unknown[], term: LeaderTerm) => unknown;

function wrapperOf(
  inTerm: InTerm,
  mark: RunnerMark,
  callOf: (wrapper: Method, args: readonly unknown[]) => LeaderCall,
  kind: Kind,
): Method {
  const wrapper: Method = function (this: unknown, ...args) {
    const runnerOf = () => RUNNERS.requireRunnerOf(this, mark);
    const body = (term: LeaderTerm) => inTerm(this, args, term);
    switch (kind) {
      case 'promise':
        return promised(() => runnerOf().run(callOf(wrapper, args), body));
      case 'stream':
        return runnerOf().stream(callOf(wrapper, args), body as StreamInTerm);
      case 'immediate':
        return runnerOf().run(callOf(wrapper, args), body);
    }
  };
  return wrapper;
}

/** Begins in this turn; what is thrown rejects. */
function promised(run: () => unknown): Promise<unknown> {
  return new Promise((resolve) => resolve(run()));
}

function checkOptions(method: LeaderMethod, options: LeaderOnlyOptions): void {
  const { otherwise = 'throw', onLost = 'abort' } = options;
  if (typeof otherwise !== 'function') checkWay(method, 'otherwise', otherwise, ['throw', 'skip']);
  checkWay(method, 'onLost', onLost, ['abort', 'ignore']);
}
