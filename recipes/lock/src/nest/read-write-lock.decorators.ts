import {
  guardedMethod,
  type GuardDecorator,
  type GuardKey,
  type GuardOptions,
} from './guarded-method.js';

/**
 * Runs the method only while this process holds a read-write lock to read: beside other readers in
 * the whole ensemble, and never beside a writer. Key, options and whatever else are as for
 * {@link DistributedLock}.
 *
 * Readers on one key run at the same time, and each takes the lock for itself, except inside of a
 * method that holds it: there it stands on that one's lease, be it to read or to write.
 *
 * @throws {LockSetupError} when the class is defined.
 *
 * @example
 * \@WithReadLock('tariffs/{region}')
 * async quote(region: string, order: Order): Promise<Quote> { ... }
 *
 * \@WithWriteLock('tariffs/{region}')
 * async publish(region: string, tariff: Tariff): Promise<void> { ... }
 */
export function WithReadLock<Args extends readonly unknown[] = []>(
  key: GuardKey<Args>,
  options: GuardOptions = {},
): GuardDecorator<Args> {
  const kind = { decorator: '@WithReadLock()', wanted: { mode: 'read' } } as const;
  return guardedMethod(kind, key, options);
}

/**
 * Runs the method only while this process holds a read-write lock to write: beside nobody else who
 * holds it, to read or to write. Key, options and whatever else are as for {@link DistributedLock}.
 *
 * Called inside of a method that holds the same lock to read it would wait for itself: it rejects with
 * {@link LockUpgradeError}.
 *
 * @throws {LockSetupError} when the class is defined.
 */
export function WithWriteLock<Args extends readonly unknown[] = []>(
  key: GuardKey<Args>,
  options: GuardOptions = {},
): GuardDecorator<Args> {
  const kind = { decorator: '@WithWriteLock()', wanted: { mode: 'write' } } as const;
  return guardedMethod(kind, key, options);
}
