import { Inject } from '@nestjs/common';
import { LockGuard } from './lock-guard.js';
import { LockSetupError } from './lock-setup-error.js';
import { DEFAULT_LOCKS, guardToken } from './lock.tokens.js';

/**
 * How a guarded method finds the locks of its application: by a hidden property of its object, which
 * Nest injects. So each object has those of the application that made it, request-scoped ones and
 * those of several applications in one process included; and where there is no LockModule, Nest does
 * not start, because it cannot resolve the property.
 */
interface Mark {
  readonly locks: string;
  /** The first method that needs them, as `Class.method`. */
  readonly method: string;
}

/** The properties' keys, by the name of the locks. */
const keys = new Map<string, symbol>();

/** The marks by the prototype on which they stand. It describes classes, not applications. */
const marks = new WeakMap<object, Mark[]>();

/** Nest prints the description when it cannot resolve the property, so that is what it is for. */
function keyOf(locks: string): symbol {
  const name = locks === DEFAULT_LOCKS ? '' : ` with the name "${locks}"`;
  const description = `its @DistributedLock() needs LockModule.forRoot(...)${name} in the imports`;
  const key = keys.get(locks) ?? Symbol(description);
  keys.set(locks, key);
  return key;
}

/** Makes Nest give each object of a class the guard of `locks`. */
export function requireGuard(prototype: object, locks: string, method: string): void {
  const own = marks.get(prototype) ?? [];
  if (own.some((mark) => mark.locks === locks)) return;
  marks.set(prototype, [...own, { locks, method }]);
  const key = keyOf(locks);
  Inject(guardToken(locks))(prototype, key);
  Object.defineProperty(prototype, key, {
    configurable: true,
    // Not enumerable on the object: it shall not show where that is printed, compared or copied.
    set(this: object, guard: unknown) {
      bindGuard(this, { locks, method }, guard);
    },
  });
}

/** All marks of an object's class and of those that it extends. */
export function marksOf(instance: object): readonly Mark[] {
  const found: Mark[] = [];
  let prototype = Object.getPrototypeOf(instance) as object | null;
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
    found.push(...(marks.get(prototype) ?? []));
  }
  return found;
}

/** The guard of an object; null: it has none, since Nest did not make it. */
export function guardOf(instance: unknown, locks: string): LockGuard | null {
  if (typeof instance !== 'object' || instance === null) return null;
  const guard = (instance as Readonly<Record<symbol, unknown>>)[keyOf(locks)];
  return guard instanceof LockGuard ? guard : null;
}

/** @throws {LockSetupError} It cannot be bound, or belongs to another application already. */
export function bindGuard(instance: object, { locks, method }: Mark, guard: unknown): void {
  const before = guardOf(instance, locks);
  if (before === guard) return;
  if (!(guard instanceof LockGuard)) {
    throw new LockSetupError(
      `@DistributedLock() on ${method} was given a substitute for its locks: ` +
        `import LockModule, and substitute what is provided as getLocksToken()`,
    );
  }
  if (before !== null && !before.isEnded) {
    throw new LockSetupError(
      `@DistributedLock() on ${method}: its object belongs to two applications at the same time, ` +
        'so nobody could say with which session it takes its locks',
    );
  }
  const isBound = Reflect.defineProperty(instance, keyOf(locks), {
    value: guard,
    configurable: true,
    enumerable: false,
  });
  if (isBound) return;
  throw new LockSetupError(
    `@DistributedLock() on ${method} cannot be given its locks, because its object is frozen`,
  );
}
