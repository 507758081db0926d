import 'reflect-metadata';
import {
  DEFAULT_MODULE,
  compileTemplate,
  dress,
  durationOptionMs,
  markedMethodOf,
  originalOf,
  returnKindOf,
  type Duration,
  type KeyOfCall,
  type MarkedMethod,
  type Method,
  type MethodDecoration,
  type RunnerMark,
} from '@aviary/nest';
import { defer, type Observable } from 'rxjs';
import type { GuardedCall, OnBusy, OnLost } from './call-policy.js';
import { GUARDS } from './guards.js';
import type { LockGuard } from './lock-guard.js';
import { LockKeyError, LockSetupError } from './lock-setup-error.js';

/** How a method under {@link DistributedLock} waits for its lock and loses it. */
export interface DistributedLockOptions {
  /**
   * The longest wait; 0: one attempt. Default: no limit, but 0 for a scheduled job (`@Cron`,
   * `@Interval`, `@Timeout`), which runs on one instance and not on one after the other.
   */
  readonly wait?: Duration | undefined;
  /** Default: `throw`; for a scheduled job `skip`, since the other instance runs it. */
  readonly onBusy?: OnBusy | undefined;
  /** Default: `abort`. */
  readonly onLost?: OnLost | undefined;
  /** The lease is lost (`maxHold`) if the method takes longer. Default: that of the module. */
  readonly maxHold?: Duration | undefined;
  /** The `name` of the `LockModule` whose locks are meant. */
  readonly locks?: string | undefined;
}

/** What can be guarded: to wait for a lock takes time, so the method must answer later, too. */
type Guardable<Args extends readonly unknown[]> = (
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever else it takes
  ...args: [...Args, ...any[]]
) => Promise<unknown> | Observable<unknown>;

const DECORATION: MethodDecoration = {
  decorator: '@DistributedLock()',
  SetupError: LockSetupError,
  whyNotStatic: 'a static method has no application whose locks it could take',
  whyNotGenerator: 'a generator has no end at which the lock could be released',
};

/** Set by @nestjs/schedule on the methods that it runs. */
const SCHEDULER_TYPE = 'SCHEDULER_TYPE';

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
 * template are escaped; what a function returns is taken as it is.
 * @throws {LockSetupError} when the class is defined.
 *
 * The calls reject with {@link LockBusyError} or {@link LockTimeoutError} (see
 * {@link DistributedLockOptions.onBusy}), {@link LeaseLostError} (see
 * {@link DistributedLockOptions.onLost}), {@link LockKeyError}, {@link LockUnavailableError},
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
  key: string | ((...args: Args) => string),
  options: DistributedLockOptions = {},
): <M extends Guardable<Args>>(
  target: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return (target, name, descriptor) => {
    const method = markedMethodOf(DECORATION, target, name, descriptor);
    const definition = new Definition(key as string | KeyOfFunction, options, method);
    const guarded = definition.returnsStream(target, name)
      ? streaming(definition, method.value)
      : promising(definition, method.value);
    dress(guarded, method.value);
    definition.guarded = guarded;
    GUARDS.require(target, definition.mark);
    descriptor.value = guarded as never;
  };
}

type KeyOfFunction = (...args: unknown[]) => string;

/** What is known of a guarded method before anybody calls it. */
class Definition {
  readonly mark: RunnerMark;
  /** What stands in the place of the method; decorators above this one mark it. */
  guarded: Method;
  private readonly keyOf: KeyOfCall;
  private readonly waitMs: number | undefined;
  private readonly maxHoldMs: number | undefined;
  private readonly options: DistributedLockOptions;

  /** @throws {LockSetupError} */
  constructor(
    key: string | KeyOfFunction,
    options: DistributedLockOptions,
    { value, name }: MarkedMethod,
  ) {
    const { decorator } = DECORATION;
    this.mark = { decorator, method: name, module: options.locks ?? DEFAULT_MODULE };
    this.guarded = value;
    this.options = options;
    this.waitMs = this.duration('wait');
    this.maxHoldMs = this.duration('maxHold');
    this.checkPolicies();
    if (typeof key === 'string') this.keyOf = keyOfTemplate(key, value, name);
    else if (typeof key === 'function') this.keyOf = keyOfFunction(key, name);
    else throw new LockSetupError(`@DistributedLock() on ${name}: its key must be a string`);
  }

  call(guard: LockGuard, args: readonly unknown[]): GuardedCall {
    const isScheduled = Reflect.hasMetadata(SCHEDULER_TYPE, this.guarded);
    const { onBusy = isScheduled ? 'skip' : 'throw', onLost = 'abort' } = this.options;
    return {
      method: this.mark.method,
      args,
      key: this.keyOf(args),
      waitMs: this.waitMs ?? (isScheduled ? 0 : guard.defaults.waitMs),
      maxHoldMs: this.maxHoldMs ?? guard.defaults.maxHoldMs,
      onBusy,
      onLost,
    };
  }

  /** @throws {LockSetupError} The method answers at once. */
  returnsStream(target: object, name: string | symbol): boolean {
    const returned = returnKindOf(target, name);
    if (returned.kind !== 'immediate') return returned.kind === 'stream';
    throw new LockSetupError(
      `@DistributedLock() on ${this.mark.method}: it returns ${returned.type}, but to wait for a ` +
        'lock takes time: let it return a Promise or an Observable',
    );
  }

  private duration(name: 'wait' | 'maxHold'): number | undefined {
    return durationOptionMs(name, this.options[name], (problem) => {
      throw new LockSetupError(`@DistributedLock() on ${this.mark.method}: ${problem}`);
    });
  }

  private checkPolicies(): void {
    const { onBusy, onLost } = this.options;
    const refuse = (name: string, given: unknown): never => {
      throw new LockSetupError(
        `@DistributedLock() on ${this.mark.method}: ${name} has no way "${String(given)}"`,
      );
    };
    const isOneOf = (given: unknown, ...ways: string[]) =>
      given === undefined || typeof given === 'function' || ways.includes(given as string);
    if (!isOneOf(onBusy, 'throw', 'skip')) refuse('onBusy', onBusy);
    if (!isOneOf(onLost, 'abort', 'ignore', 'exit-process')) refuse('onLost', onLost);
  }
}

function keyOfTemplate(template: string, method: Method, name: string): KeyOfCall {
  return compileTemplate(template, originalOf(method), {
    refuseTemplate(problem) {
      throw new LockSetupError(`@DistributedLock('${template}') on ${name}: ${problem}`);
    },
    refuseCall(problem) {
      throw new LockKeyError(name, template, problem);
    },
  });
}

function keyOfFunction(key: KeyOfFunction, method: string): KeyOfCall {
  return (args) => {
    const made: unknown = key(...args);
    if (typeof made === 'string' && made !== '') return made;
    throw new LockKeyError(method, '(a function)', `it returned ${JSON.stringify(made)}`);
  };
}

function promising(definition: Definition, method: Method): Method {
  return async function (this: unknown, ...args) {
    const guard = GUARDS.requireRunnerOf(this, definition.mark);
    return guard.run(definition.call(guard, args), () => method.apply(this, args));
  };
}

function streaming(definition: Definition, method: Method): Method {
  return function (this: unknown, ...args) {
    return defer(() => {
      const guard = GUARDS.requireRunnerOf(this, definition.mark);
      const body = () => method.apply(this, args) as Observable<unknown>;
      return guard.stream(definition.call(guard, args), body);
    });
  };
}
