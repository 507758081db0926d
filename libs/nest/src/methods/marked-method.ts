import 'reflect-metadata';
import { Observable } from 'rxjs';
import type { RecipeSetupErrorClass } from '../modules/recipe-setup-error.js';
import type { Method } from './dress.js';

/** A decorator of methods, and why it cannot stand on some of them. */
export interface MethodDecoration {
  /** As it is written: `@DistributedLock()`. */
  readonly decorator: string;
  readonly SetupError: RecipeSetupErrorClass;
  /** As in: `a static method has no application whose locks it could take`. */
  readonly whyNotStatic: string;
  /** As in: `a generator has no end at which the lock could be released`. */
  readonly whyNotGenerator: string;
}

/** A method on which a decorator stands. */
export interface MarkedMethod {
  readonly value: Method;
  /** As `Class.method`. */
  readonly name: string;
}

/**
 * The method on which a decorator stands, from the decorator's own arguments.
 *
 * @throws `SetupError`: it stands on a class, a property, an accessor, a static method or a generator.
 */
export function markedMethodOf(
  { decorator, SetupError, whyNotStatic, whyNotGenerator }: MethodDecoration,
  target: object,
  key: string | symbol | undefined,
  descriptor: unknown,
): MarkedMethod {
  const isStatic = typeof target === 'function';
  const owner = isStatic ? target : target.constructor;
  const name = key === undefined ? owner.name : `${owner.name}.${String(key)}`;
  const refuse = (problem: string): never => {
    throw new SetupError(`${decorator} on ${name}: ${problem}`);
  };
  if (isStatic && key === undefined) return refuse('it belongs on a method, not on a class');
  const { value } = Object(descriptor) as { value?: unknown };
  if (typeof value !== 'function') {
    return refuse('it belongs on a method, not on a property or an accessor');
  }
  if (isStatic) return refuse(whyNotStatic);
  const kind = Object.prototype.toString.call(value);
  if (kind.includes('Generator')) return refuse(whyNotGenerator);
  return { value: value as Method, name };
}

/**
 * What a method says it returns. `unsaid`: the compiler leaves no class at run time for unions,
 * interfaces and aliases, nor without `emitDecoratorMetadata`. `immediate`: neither a promise nor a stream.
 */
export type ReturnKind =
  | { readonly kind: 'promise' | 'stream' | 'unsaid' }
  | { readonly kind: 'immediate'; readonly type: string };

/** Reads it from the metadata that the compiler leaves beside a decorated method. */
export function returnKindOf(target: object, key: string | symbol): ReturnKind {
  const type: unknown = Reflect.getMetadata('design:returntype', target, key);
  // Object stands for whatever has no class at run time.
  if (typeof type !== 'function' || type === Object) return { kind: 'unsaid' };
  if (type === Promise || type.prototype instanceof Promise) return { kind: 'promise' };
  if (type === Observable || type.prototype instanceof Observable) return { kind: 'stream' };
  return { kind: 'immediate', type: type.name };
}
