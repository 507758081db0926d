import { AsyncLocalStorage } from 'node:async_hooks';
import type { LeaderTerm } from '../core/leader-term.js';
import { LeaderSetupError } from './leader-setup-error.js';

const terms = new AsyncLocalStorage<LeaderTerm>();

/** Runs `body`, and whatever it starts, in a term. */
export function runInTerm<T>(term: LeaderTerm, body: () => T): T {
  return terms.run(term, body);
}

/** The term in which this code runs; null: it runs in none. */
export function enclosingTerm(): LeaderTerm | null {
  return terms.getStore() ?? null;
}

/**
 * The term in which the method under `@LeaderOnly()`, `@LeaderCron()` or `@OnLeadershipGained()` runs.
 * It is found from every function that the method calls, also behind an `await`.
 *
 * Code that outlives its method finds the term of that method, which may be over: `assertHeld()`
 * throws then.
 *
 * @throws {LeaderSetupError} No such method is running.
 */
export function currentTerm(): LeaderTerm {
  const term = enclosingTerm();
  if (term !== null) return term;
  throw new LeaderSetupError(
    'currentTerm() was called outside of a method under @LeaderOnly(), @LeaderCron() or ' +
      '@OnLeadershipGained()',
  );
}
