import type { DiscoveryService } from '@nestjs/core';
import type { RecipeSetupErrorClass } from '../modules/recipe-setup-error.js';

/** A marked method or property of a provider or controller of an application. */
export interface FoundMark<T> {
  /** What the decorator said. */
  readonly value: T;
  /** The name of the method or property. */
  readonly key: string | symbol;
  /** As `Class.method`, where Class is that of the object. */
  readonly label: string;
  /** The object; null where Nest makes one for each request or each user: see {@link scope}. */
  readonly instance: object | null;
  /**
   * `static`: there is one object, {@link instance}. `request`: one for each request, since the class
   * or something that it depends on is request-scoped. `transient`: one for each that injects it.
   */
  readonly scope: 'static' | 'request' | 'transient';
}

/** What is used of Nest's `InstanceWrapper`. */
interface Wrapper {
  readonly instance: unknown;
  readonly metatype: unknown;
  readonly inject?: unknown;
  readonly isTransient: boolean;
  isDependencyTreeStatic(): boolean;
}

/**
 * The marks that one decorator leaves on methods and properties, and how they are found when an
 * application starts.
 *
 * A mark stands on the class and the name, not on the function: a decorator that replaces the
 * method does not lose it, and what is called is what then stands there. A subclass inherits the marks
 * of what it does not define anew.
 *
 * @example
 * const MARKS = new Marks<string>();
 * export const OnGained = (role: string): MethodDecorator => (prototype, key) => {
 *   MARKS.add(prototype, key, role);
 * };
 */
export class Marks<T> {
  private readonly byPrototype = new WeakMap<object, Map<string | symbol, T[]>>();

  /** Marks a method or property; several marks may stand on one. For decorators. */
  add(prototype: object, key: string | symbol, value: T): void {
    const marks = this.byPrototype.get(prototype) ?? new Map<string | symbol, T[]>();
    this.byPrototype.set(prototype, marks);
    // Decorators run from the innermost out: the one that is read first comes first.
    marks.set(key, [value, ...(marks.get(key) ?? [])]);
  }

  /** The marks on what a class itself defines under a name; the one that is read first comes first. */
  own(prototype: object, key: string | symbol): readonly T[] {
    return this.byPrototype.get(prototype)?.get(key) ?? [];
  }

  /**
   * The marks of all providers and controllers. For `onModuleInit`, when the objects are there. An
   * object that stands under several tokens is found once.
   */
  find(discovery: DiscoveryService): FoundMark<T>[] {
    const wrappers = [...discovery.getProviders(), ...discovery.getControllers()] as Wrapper[];
    const seen = new Set<object>();
    return wrappers.flatMap((wrapper) => {
      const scope = scopeOf(wrapper);
      const prototype = prototypeOf(wrapper);
      if (prototype === null) return [];
      const instance = scope === 'static' ? (wrapper.instance as object) : null;
      const identity = instance ?? prototype;
      if (seen.has(identity)) return [];
      seen.add(identity);
      return this.of(prototype).map(([key, value]) => {
        const label = `${prototype.constructor.name}.${String(key)}`;
        return { value, key, label, instance, scope };
      });
    });
  }

  /** The marks of a class, inherited ones included, as name and value. */
  of(prototype: object): (readonly [string | symbol, T])[] {
    const found: (readonly [string | symbol, T])[] = [];
    const defined = new Set<string | symbol>();
    let holder: object | null = prototype;
    for (; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
      const marks = this.byPrototype.get(holder) ?? new Map<string | symbol, T[]>();
      for (const [key, values] of marks) {
        if (!defined.has(key)) found.push(...values.map((value) => [key, value] as const));
      }
      // Properties are no members of the prototype, so those with marks are named apart.
      for (const key of [...Reflect.ownKeys(holder), ...marks.keys()]) defined.add(key);
    }
    return found;
  }
}

/**
 * The object of a mark that only works on providers of which there is one.
 *
 * @param decorator As it is written: `@OnLeadershipGained()`.
 * @throws `SetupError`: there is one for each request, or for each that injects it.
 */
export function requireOneObject(
  { instance, label, scope }: Omit<FoundMark<unknown>, 'value'>,
  decorator: string,
  SetupError: RecipeSetupErrorClass,
): object {
  if (instance !== null) return instance;
  const why =
    scope === 'request'
      ? 'its class, or something that it depends on, is request-scoped, so outside of a request ' +
        'there is no object'
      : 'its class is transient, so there is an object for each that injects it';
  throw new SetupError(
    `${decorator} on ${label}: ${why}: move the method to a provider of the default scope`,
  );
}

function scopeOf(wrapper: Wrapper): FoundMark<unknown>['scope'] {
  if (wrapper.isTransient) return 'transient';
  return wrapper.isDependencyTreeStatic() ? 'static' : 'request';
}

/** The prototype of the object or objects of a provider; null: it is no object, or not known yet. */
function prototypeOf({ instance, metatype, inject }: Wrapper): object | null {
  if (typeof instance === 'object' && instance !== null) {
    return Object.getPrototypeOf(instance) as object | null;
  }
  // With `inject` the metatype is a factory, of whose objects nothing is known.
  if (typeof metatype !== 'function' || Array.isArray(inject)) return null;
  return metatype.prototype as object | null;
}
