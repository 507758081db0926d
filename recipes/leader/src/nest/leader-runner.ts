import { RunnerBinding, type MethodRunner } from '@aviary/nest';
import { EMPTY, Observable, defer, from, isObservable } from 'rxjs';
import { NotLeaderError } from '../core/leader-errors.js';
import type { LeaderTerm } from '../core/leader-term.js';
import type { Leaders } from '../core/leaders.js';
import { LeaderSetupError } from './leader-setup-error.js';
import { runnerToken } from './leader.tokens.js';
import { enclosingTerm, runInTerm } from './term-scope.js';

/** A call that was not run, since this process does not lead. */
export interface FollowerCall {
  /** The method, as `Class.method`. */
  readonly method: string;
  readonly args: readonly unknown[];
  readonly error: NotLeaderError;
}

/**
 * What becomes of a call where this process does not lead. `throw`: NotLeaderError. `skip`: it gives
 * undefined (a stream completes). A function: its result is the call's.
 */
export type Otherwise = 'throw' | 'skip' | ((call: FollowerCall) => unknown);

/** One call of a method of the leader. */
export interface LeaderCall {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly role: string;
  readonly otherwise: Otherwise;
  readonly onLost: 'abort' | 'ignore';
}

/** A method that returns a stream. */
export type StreamInTerm = (term: LeaderTerm) => Observable<unknown>;

/** Runs methods of the leader, for one application. */
export class LeaderRunner implements MethodRunner {
  private readonly leaders: Leaders;
  private hasEnded = false;

  constructor(leaders: Leaders) {
    this.leaders = leaders;
  }

  get isEnded(): boolean {
    return this.hasEnded;
  }

  /** The application comes to its end. */
  end(): void {
    this.hasEnded = true;
  }

  /** Runs `body` at once, if this process leads; what it returns later belongs to the term. */
  run(call: LeaderCall, body: (term: LeaderTerm) => unknown): unknown {
    const term = this.termFor(call);
    if (term === null) return this.refused(call);
    const leave = term.track();
    let result: unknown;
    try {
      result = runInTerm(term, () => body(term));
    } catch (error) {
      leave();
      throw lossOf(call, term, error) ?? error;
    }
    if (isObservable(result)) {
      leave();
      throw new LeaderSetupError(
        `${call.method} is under @LeaderOnly() and returned an Observable, which its signature ` +
          'does not say: annotate it with Observable<...> and compile with emitDecoratorMetadata',
      );
    }
    if (!isPromise(result)) {
      leave();
      return result;
    }
    return settled(call, term, result).finally(leave);
  }

  /** The stream of `body`, for each subscriber while this process leads. */
  stream(call: LeaderCall, body: StreamInTerm): Observable<unknown> {
    return defer(() => {
      const term = this.termFor(call);
      return term === null ? this.refusedStream(call) : streamIn(call, term, body);
    });
  }

  /**
   * The term in which a call may run; null: none. Work that runs when its term ends, and that may go on
   * since the role is still ours, may also call what only the leader may do.
   */
  private termFor(call: LeaderCall): LeaderTerm | null {
    const role = this.leaders.role(call.role);
    const enclosing = enclosingTerm();
    const isOurs = enclosing?.isHeld === true && role.isTermOf(enclosing);
    return isOurs ? enclosing : role.term;
  }

  private refused({ method, args, role, otherwise }: LeaderCall): unknown {
    if (otherwise === 'skip') return undefined;
    const error = new NotLeaderError(role, this.leaders.pathOf(role));
    if (otherwise === 'throw') throw error;
    return otherwise({ method, args, error });
  }

  private refusedStream(call: LeaderCall): Observable<unknown> {
    const result = this.refused(call);
    if (isObservable(result)) return result;
    return call.otherwise === 'skip' ? EMPTY : from(Promise.resolve(result));
  }
}

/** How objects with methods of the leader find the runner of their application. */
export const RUNNERS = new RunnerBinding({
  moduleClass: 'LeaderModule',
  noun: 'leaders',
  runner: LeaderRunner,
  tokenOf: runnerToken,
  substitute: 'getLeadersToken()',
  SetupError: LeaderSetupError,
});

/** What the call rejects with if the role was lost meanwhile; null: it was not, or that is no matter. */
function lossOf({ onLost }: LeaderCall, term: LeaderTerm, cause?: unknown): Error | null {
  return onLost === 'ignore' ? null : term.lossOf(cause);
}

async function settled(
  call: LeaderCall,
  term: LeaderTerm,
  result: PromiseLike<unknown>,
): Promise<unknown> {
  let value: unknown;
  try {
    value = await result;
  } catch (error) {
    throw lossOf(call, term, error) ?? error;
  }
  const loss = lossOf(call, term);
  if (loss !== null) throw loss;
  return value;
}

/** A stream that belongs to a term: with `abort` it fails when that ends. */
function streamIn(call: LeaderCall, term: LeaderTerm, body: StreamInTerm): Observable<unknown> {
  return new Observable((subscriber) => {
    const leave = term.track();
    const onEnd = (): void => {
      if (call.onLost === 'abort') subscriber.error(term.signal.reason);
    };
    term.signal.addEventListener('abort', onEnd, { once: true });
    subscriber.add(() => {
      term.signal.removeEventListener('abort', onEnd);
      leave();
    });
    runInTerm(term, () =>
      subscriber.add(
        defer(() => body(term)).subscribe({
          next: (value) => subscriber.next(value),
          error: (error: unknown) => subscriber.error(lossOf(call, term, error) ?? error),
          complete: () => {
            const loss = lossOf(call, term);
            if (loss === null) subscriber.complete();
            else subscriber.error(loss);
          },
        }),
      ),
    );
  });
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (Object(value) as { then?: unknown }).then === 'function';
}
