import {
  guardedMethod,
  type GuardDecorator,
  type GuardKey,
  type GuardOptions,
} from './guarded-method.js';

/** How a method under {@link DistributedLock} waits for its lock and loses it. */
export type DistributedLockOptions = GuardOptions;

/**
 * Runs the method only while this process holds a lock, in the whole ensemble's sense.
 *
 * Whoever calls it is guarded, `this.method()` included, since the method itself is replaced. It works
 * on every class of which Nest makes the objects, whatever their scope, beside other decorators in any
 * order: their metadata stays. A method that returns an Observable holds the lock for each
 * subscriber until its stream ends.
 *
 * Inside, {@link currentLease} gives the lease: `signal`, `assertHeld()`, `token`, `transaction()`.
 * A guarded method that calls one with the same key, itself or another, does so on the same lease.
 * Calls that do not come from inside wait for each other, in one process as in several.
 *
 * What cannot be honoured stops the start: a template that names no parameter, a method that is
 * static, an accessor or synchronous, a missing `LockModule`.
 *
 * @param key A path below the module's root, with values of arguments between braces
 * (`orders/{id}`, `orders/{order.id}`, `orders/{0.id}`), or a function that makes one. Values of a
 * template are escaped; what a function returns is taken as it is. Defaults of parameters are not seen.
 * @throws {LockSetupError} when the class is defined.
 *
 * The calls reject with {@link LockBusyError} or {@link LockTimeoutError} (see
 * {@link GuardOptions.onBusy}), {@link LeaseLostError} (see
 * {@link GuardOptions.onLost}), {@link LockKeyError}, {@link LockUnavailableError},
 * {@link LocksClosedError}, or with what the method throws.
 *
 * @example
 * \@DistributedLock('orders/{order.id}', { wait: '5s' })
 * async settle(order: Order): Promise<void> {
 *   const lease = currentLease();
 *   const invoice = await this.billing.invoice(order, { signal: lease.signal });
 *   lease.assertHeld();
 *   await this.store.save(invoice, { fence: lease.token });
 * }
 */
export function DistributedLock<Args extends readonly unknown[] = []>(
  key: GuardKey<Args>,
  options: DistributedLockOptions = {},
): GuardDecorator<Args> {
  const kind = { decorator: '@DistributedLock()', wanted: { mode: 'mutex' } } as const;
  return guardedMethod(kind, key, options);
}
