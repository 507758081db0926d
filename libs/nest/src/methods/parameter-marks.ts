import type { DiscoveryService } from '@nestjs/core';
import type { RecipeSetupErrorClass } from '../modules/recipe-setup-error.js';
import { Marks } from './marks.js';

/** A decorator of parameters, and what it needs. */
export interface ParameterDecoration {
  /** As it is written: `@Term()`. */
  readonly decorator: string;
  readonly SetupError: RecipeSetupErrorClass;
  /** As in: `a static method has no application that could lead`. */
  readonly whyNotStatic: string;
  /** What its method must stand under, as it is written: `@LeaderOnly(role) or @LeaderCron(...)`. */
  readonly methodDecorators: string;
}

interface ParameterMark {
  readonly index: number;
  /** Whether a decorator of the method gives the parameter its value. */
  isClaimed: boolean;
}

/**
 * The parameters that one decorator marks, for a value that the decorator of their method gives.
 *
 * Decorators of parameters run before those of their method, so the latter {@link claim} what they
 * find. A mark that nobody claimed stops the start: {@link refuseUnclaimed}.
 *
 * @example
 * const TERMS = new ParameterMarks({ decorator: '@Term()', ... });
 * export const Term = (): ParameterDecorator => (target, key, index) => TERMS.add(target, key, index);
 * // in the decorator of the method:
 * const indices = TERMS.claim(target, key);
 * // in its wrapper:
 * method.apply(this, placeArgument(args, indices, term));
 */
export class ParameterMarks {
  private readonly decoration: ParameterDecoration;
  private readonly marks = new Marks<ParameterMark>();

  constructor(decoration: ParameterDecoration) {
    this.decoration = decoration;
  }

  /**
   * Marks a parameter. For the decorator, from its own arguments.
   *
   * @throws `SetupError`: it is that of a constructor or of a static method.
   */
  add(target: object, key: string | symbol | undefined, index: number): void {
    const { SetupError, decorator, whyNotStatic } = this.decoration;
    const isStatic = typeof target === 'function';
    const owner = isStatic ? target : target.constructor;
    const name = `${owner.name}.${String(key ?? 'constructor')}`;
    const refuse = (problem: string): never => {
      throw new SetupError(`${decorator} on a parameter of ${name}: ${problem}`);
    };
    if (key === undefined) return refuse('it belongs on a parameter of a method');
    if (isStatic) return refuse(whyNotStatic);
    this.marks.add(target, key, { index, isClaimed: false });
  }

  /**
   * The indices of the parameters that a method has marked; they are its decorator's to fill from now
   * on. None: the method has none, as one that overrides a marked one and does not mark its own.
   */
  claim(prototype: object, key: string | symbol): readonly number[] {
    const marks = this.marks.own(prototype, key);
    for (const mark of marks) mark.isClaimed = true;
    return marks.map(({ index }) => index);
  }

  /**
   * For `onModuleInit`, over all providers and controllers.
   *
   * @throws `SetupError`: a parameter is marked, and no decorator of its method would fill it.
   */
  refuseUnclaimed(discovery: DiscoveryService): void {
    const { SetupError, decorator, methodDecorators } = this.decoration;
    for (const { value, label } of this.marks.find(discovery)) {
      if (value.isClaimed) continue;
      throw new SetupError(
        `${decorator} on a parameter of ${label}: nothing would give it a value: ` +
          `put ${methodDecorators} on the method`,
      );
    }
  }
}

/** The arguments of a call, with `value` at each of the indices, whatever stood there. */
export function placeArgument(
  args: readonly unknown[],
  indices: readonly number[],
  value: unknown,
): unknown[] {
  const placed = [...args];
  for (const index of indices) placed[index] = value;
  return placed;
}
