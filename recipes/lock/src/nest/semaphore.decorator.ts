import { pathProblem } from '@aviary/foundation';
import { shown } from '@aviary/nest';
import {
  guardedMethod,
  type GuardDecorator,
  type GuardKey,
  type GuardOptions,
} from './guarded-method.js';
import { LockSetupError } from './lock-setup-error.js';

/** How many calls of a method under {@link WithSemaphore} run at a time, and how it waits. */
export interface SemaphoreOptions extends GuardOptions {
  /**
   * How many permits there are in the whole ensemble: a number that all who use the semaphore agree on;
   * or the path of a node with a number (decimal text, or Curator's `SharedCount`), below the module's
   * root or absolute, which may change at any time.
   */
  readonly limit: number | string;
}

/**
 * Runs the method only while this process holds a permit of a semaphore: at most so many calls at a
 * time, in the whole ensemble. Key, options and whatever else are as for {@link DistributedLock}.
 *
 * A call inside of one that holds a permit of the same semaphore stands on that permit.
 *
 * @throws {LockSetupError} when the class is defined.
 *
 * @example
 * \@WithSemaphore('exports/{tenant}', { limit: 3, wait: '1m' })
 * async export(tenant: string): Promise<void> { ... }
 */
export function WithSemaphore<Args extends readonly unknown[] = []>(
  key: GuardKey<Args>,
  options: SemaphoreOptions,
): GuardDecorator<Args> {
  const { limit } = Object(options) as SemaphoreOptions;
  const kind = { decorator: '@WithSemaphore()', wanted: { mode: 'permit', limit } } as const;
  const guarded = guardedMethod(kind, key, Object(options) as SemaphoreOptions);
  return (target, name, descriptor) => {
    const problem = limitProblem(limit);
    if (problem === null) return guarded(target, name, descriptor);
    const where = `${target.constructor.name}.${String(name)}`;
    throw new LockSetupError(`@WithSemaphore() on ${where}: ${problem}`);
  };
}

const LIMIT_MAX = 0x7fff_ffff;

/** null: it can be one. */
function limitProblem(limit: unknown): string | null {
  if (typeof limit === 'string') {
    const path = limit.startsWith('/') ? limit : `/${limit}`;
    const problem = path === '/' ? 'it names no node below the root' : pathProblem(path);
    return problem === null ? null : `its limit is not the path of a node: ${problem}`;
  }
  if (Number.isInteger(limit) && (limit as number) > 0 && (limit as number) <= LIMIT_MAX)
    return null;
  return (
    `its limit must be a number of permits from 1 to ${LIMIT_MAX}, or the path of the node that ` +
    `says it, not ${shown(limit)}`
  );
}
