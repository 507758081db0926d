import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which a `LockClient` is provided, for `inject: [...]` and for tests. */
export function getLocksToken(name: string = DEFAULT_MODULE): string {
  return `aviary:locks:${name}`;
}

/**
 * Injects the `LockClient` of a `LockModule`. For the one without a name the class will do as well:
 * `constructor(private readonly locks: LockClient)`.
 *
 * @example
 * constructor(@InjectLocks('audit') private readonly locks: LockClient) {}
 */
export function InjectLocks(name?: string): ReturnType<typeof Inject> {
  return Inject(getLocksToken(name));
}

/** The token of what runs guarded methods with these locks. */
export function guardToken(name: string): string {
  return `aviary:lock-guard:${name}`;
}

/** The guard of a module, inside that module. */
export const LOCAL_GUARD = Symbol('aviary:locks:guard');
