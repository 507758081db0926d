import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lease } from '@aviary/coordination';
import type { Wanted } from './call-policy.js';
import { LockSetupError } from './lock-setup-error.js';
import { Turns } from './turns.js';

/** A lease and the calls that stand on it; the last one to leave releases it. */
export class Holding {
  readonly lease: Lease;
  readonly mode: Wanted['mode'];
  private users = 1;
  private readonly onEnd: () => void;

  constructor(lease: Lease, mode: Wanted['mode'], onEnd: () => void) {
    this.lease = lease;
    this.mode = mode;
    this.onEnd = onEnd;
  }

  /** Whether it is held for what `wanted` says: who may write may read. */
  covers(wanted: Wanted['mode']): boolean {
    return this.mode === wanted || (this.mode === 'write' && wanted === 'read');
  }

  join(): void {
    this.users++;
  }

  /** Never rejects. */
  async leave(): Promise<void> {
    if (--this.users > 0) return;
    await this.lease.release();
    this.onEnd();
  }
}

/**
 * One run of a guarded method, as what it calls sees it: which lock it holds, and what encloses it.
 *
 * It travels with the async context. A callback that outlives the method still finds it there; for
 * that there is {@link isOver}: who comes too late has to take the lock himself.
 */
export class LockedScope {
  readonly holding: Holding;
  /** Nested calls for the same lock, one at a time. */
  readonly turns = new Turns();
  isOver = false;
  private readonly owner: object;
  private outer: LockedScope | null;

  /** @param owner Whose locks: two applications in one process do not share theirs. */
  constructor(owner: object, holding: Holding, outer: LockedScope | null) {
    this.owner = owner;
    this.holding = holding;
    this.outer = outer;
  }

  /** This run, or the innermost around it, that is not over; null: none. */
  alive(): LockedScope | null {
    // Those that are over are dropped: calls that hand on to each other for ever make no chain.
    while (this.outer?.isOver === true) this.outer = this.outer.outer;
    return this.isOver ? this.outer : this;
  }

  /**
   * The innermost run that holds the lock `path` of `owner` in one of the modes, from this one
   * outwards, which must be {@link alive}.
   */
  holderOf(
    owner: object,
    path: string,
    isMeant: (holding: Holding) => boolean,
  ): LockedScope | null {
    const { holding } = this;
    if (this.owner === owner && holding.lease.path === path && isMeant(holding)) return this;
    return this.outer?.alive()?.holderOf(owner, path, isMeant) ?? null;
  }
}

const scopes = new AsyncLocalStorage<LockedScope>();

/** The innermost guarded method in which this code runs; null: none. */
export function currentScope(): LockedScope | null {
  return scopes.getStore() ?? null;
}

/** Runs `body`, and whatever it starts, inside of `scope`. */
export function runInScope<T>(scope: LockedScope, body: () => T): T {
  return scopes.run(scope, body);
}

/**
 * The lease on which the method under `@DistributedLock()`, `@WithReadLock()`, `@WithWriteLock()` or
 * `@WithSemaphore()` runs: the innermost, if one calls another.
 * It is found from every function that the method calls, also behind an `await`.
 *
 * Code that outlives its method (a timer, a promise that nobody awaits) finds the lease of that
 * method, which is released: `assertHeld()` throws.
 *
 * @throws {LockSetupError} No such method is running.
 */
export function currentLease(): Lease {
  const scope = currentScope();
  if (scope !== null) return scope.holding.lease;
  throw new LockSetupError(
    'currentLease() was called outside of a method under @DistributedLock() or another of its kind',
  );
}
