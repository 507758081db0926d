import 'reflect-metadata';
import {
  DEFAULT_MODULE,
  compileTemplate,
  dress,
  durationOptionMs,
  markedMethodOf,
  originalOf,
  returnKindOf,
  shown,
  type Duration,
  type KeyOfCall,
  type MarkedMethod,
  type Method,
  type MethodDecoration,
  type RunnerMark,
} from '@aviary/nest';
import { defer, type Observable } from 'rxjs';
import type { GuardedCall, OnBusy, OnLost, Wanted } from './call-policy.js';
import { GUARDS, GUARD_MARKS } from './guards.js';
import type { LockGuard } from './lock-guard.js';
import { LockKeyError, LockSetupError } from './lock-setup-error.js';

/** How a guarded method waits for its lock and loses it. */
export interface GuardOptions {
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

/** A path below the module's root, with values of arguments between braces, or what makes one. */
export type GuardKey<Args extends readonly unknown[]> = string | ((...args: Args) => string);

/** What can be guarded: to wait for a lock takes time, so the method must answer later, too. */
type Guardable<Args extends readonly unknown[]> = (
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever else it takes
  ...args: [...Args, ...any[]]
) => Promise<unknown> | Observable<unknown>;

/** A decorator of methods that take what the key's function takes. */
export type GuardDecorator<Args extends readonly unknown[]> = <M extends Guardable<Args>>(
  target: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/** A decorator that puts methods under a lock. */
export interface GuardKind {
  /** As it is written: `@DistributedLock()`. */
  readonly decorator: string;
  readonly wanted: Wanted;
}

/** Set by @nestjs/schedule on the methods that it runs. */
const SCHEDULER_TYPE = 'SCHEDULER_TYPE';

/**
 * Replaces a method by one that runs it under a lock, with the session of the application that its
 * object belongs to.
 *
 * @throws {LockSetupError} when the class is defined.
 */
export function guardedMethod<Args extends readonly unknown[]>(
  kind: GuardKind,
  key: GuardKey<Args>,
  options: GuardOptions,
): GuardDecorator<Args> {
  return (target, name, descriptor) => {
    const decoration: MethodDecoration = {
      decorator: kind.decorator,
      SetupError: LockSetupError,
      whyNotStatic: 'a static method has no application whose locks it could take',
      whyNotGenerator: 'a generator has no end at which the lock could be released',
    };
    const method = markedMethodOf(decoration, target, name, descriptor);
    const definition = new Definition(kind, key as string | KeyOfFunction, options, method);
    const guarded = definition.returnsStream(target, name)
      ? streaming(definition, method.value)
      : promising(definition, method.value);
    dress(guarded, method.value);
    definition.guarded = guarded;
    GUARDS.require(target, definition.mark);
    GUARD_MARKS.add(target, name, definition.mark);
    descriptor.value = guarded as never;
  };
}

type KeyOfFunction = (...args: unknown[]) => string;

/** What is known of a guarded method before anybody calls it. */
class Definition {
  readonly mark: RunnerMark;
  /** What stands in the place of the method; decorators above this one mark it. */
  guarded: Method;
  private readonly wanted: Wanted;
  private readonly keyOf: KeyOfCall;
  private readonly waitMs: number | undefined;
  private readonly maxHoldMs: number | undefined;
  private readonly options: GuardOptions;

  /** @throws {LockSetupError} */
  constructor(
    { decorator, wanted }: GuardKind,
    key: string | KeyOfFunction,
    options: GuardOptions,
    { value, name }: MarkedMethod,
  ) {
    // Callers without types can pass anything.
    const { locks = DEFAULT_MODULE } = Object(options) as GuardOptions;
    this.mark = { decorator, method: name, module: locks };
    this.guarded = value;
    this.wanted = wanted;
    this.options = options;
    if (Object(options) !== options)
      this.refuse(`its options must be an object, not ${shown(options)}`);
    if (typeof locks !== 'string' || locks === '') {
      this.refuse(`locks must be the name of a LockModule, not ${shown(locks)}`);
    }
    this.waitMs = this.duration('wait');
    this.maxHoldMs = this.duration('maxHold');
    this.checkPolicies();
    if (typeof key === 'string') this.keyOf = keyOfTemplate(key, value, this.mark);
    else if (typeof key === 'function') this.keyOf = keyOfFunction(key, name);
    else this.refuse(`its key must be a path or a function that makes one, not ${shown(key)}`);
  }

  call(guard: LockGuard, args: readonly unknown[]): GuardedCall {
    const isScheduled = Reflect.hasMetadata(SCHEDULER_TYPE, this.guarded);
    const { onBusy = isScheduled ? 'skip' : 'throw', onLost = 'abort' } = this.options;
    const { decorator, method } = this.mark;
    return {
      decorator,
      method,
      args,
      wanted: this.wanted,
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
    return this.refuse(
      `it returns ${returned.type}, but to wait for a lock takes time: ` +
        'let it return a Promise or an Observable',
    );
  }

  private duration(name: 'wait' | 'maxHold'): number | undefined {
    return durationOptionMs(name, this.options[name], (problem) => this.refuse(problem));
  }

  private checkPolicies(): void {
    const { onBusy, onLost } = this.options;
    const isOneOf = (given: unknown, ...ways: string[]) =>
      given === undefined || typeof given === 'function' || ways.includes(given as string);
    if (!isOneOf(onBusy, 'throw', 'skip')) {
      this.refuse(`onBusy must be "throw", "skip" or a function, not ${shown(onBusy)}`);
    }
    if (!isOneOf(onLost, 'abort', 'ignore', 'exit-process')) {
      const ways = '"abort", "ignore", "exit-process" or a function';
      this.refuse(`onLost must be ${ways}, not ${shown(onLost)}`);
    }
  }

  private refuse(problem: string): never {
    throw new LockSetupError(`${this.mark.decorator} on ${this.mark.method}: ${problem}`);
  }
}

function keyOfTemplate(template: string, value: Method, { decorator, method }: RunnerMark) {
  return compileTemplate(template, originalOf(value), {
    refuseTemplate(problem) {
      const written = decorator.replace('()', `('${template}')`);
      throw new LockSetupError(`${written} on ${method}: ${problem}`);
    },
    refuseCall(problem) {
      throw new LockKeyError(method, template, problem);
    },
  });
}

function keyOfFunction(key: KeyOfFunction, method: string): KeyOfCall {
  return (args) => {
    const made: unknown = key(...args);
    if (typeof made === 'string' && made !== '') return made;
    const problem = `it must return a path at once, and returned ${shown(made)}`;
    throw new LockKeyError(method, '(a function)', problem);
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
