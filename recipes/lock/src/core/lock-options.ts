import { InvalidArgumentError } from '@aviary/client';
import type { LockClientOptions } from './lock-client.js';

/** What a caller without types may have written otherwise. @throws {InvalidArgumentError} */
export function checkLockOptions(options: LockClientOptions): void {
  const { root, identity, acl, onForeignContender } = options as Readonly<Record<string, unknown>>;
  if (root !== undefined && typeof root !== 'string') {
    throw new InvalidArgumentError(`root must be a path such as "/locks", not ${typeof root}`);
  }
  if (identity !== undefined && typeof identity !== 'string') {
    throw new InvalidArgumentError(`identity must be a line of text, not ${typeof identity}`);
  }
  if (acl !== undefined && !(Array.isArray(acl) && acl.length > 0)) {
    throw new InvalidArgumentError(
      'acl must be a list with an entry; leave it out to allow everybody everything',
    );
  }
  if (![undefined, 'throw', 'warn'].includes(onForeignContender as string | undefined)) {
    const given = String(onForeignContender);
    throw new InvalidArgumentError(`onForeignContender must be "throw" or "warn", not "${given}"`);
  }
}
