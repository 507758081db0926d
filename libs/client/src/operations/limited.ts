import type { Clock } from '@aviary/foundation';
import { whenAborted } from './abort-listeners.js';

/** What may end a wait early, and with which error. */
export interface Limits {
  readonly signal: AbortSignal | undefined;
  /** From now; Infinity: no limit. */
  readonly deadlineMs: number;
  /** The error for either; called once at most. */
  readonly errorFor: (reason: 'aborted' | 'deadlineExceeded') => Error;
}

/**
 * A promise for something that `begin` starts and that a signal or a deadline may cut short.
 *
 * `begin` gets the two ways to settle and returns how to stop waiting. However the promise
 * settles, nothing is left behind: no timer, no listener.
 */
export function limited<T>(
  clock: Clock,
  limits: Limits,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  const { signal, deadlineMs, errorFor } = limits;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(errorFor('aborted'));
      return;
    }
    let cleanups: (() => void)[] | null = [];
    const settle = (finish: () => void) => {
      if (cleanups === null) return;
      const due = cleanups;
      cleanups = null;
      for (const cleanup of due) cleanup();
      finish();
    };
    const add = (cleanup: () => void) => {
      // It may have settled before it could be cleaned up after.
      if (cleanups === null) cleanup();
      else cleanups.push(cleanup);
    };
    if (signal !== undefined) {
      add(whenAborted(signal, () => settle(() => reject(errorFor('aborted')))));
    }
    if (deadlineMs !== Infinity) {
      const late = () => settle(() => reject(errorFor('deadlineExceeded')));
      const timer = clock.setTimer(deadlineMs, late);
      add(() => timer.cancel());
    }
    add(
      begin(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      ),
    );
  });
}
