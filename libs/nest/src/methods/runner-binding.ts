import { Inject } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';
import type { RecipeSetupErrorClass } from '../modules/recipe-setup-error.js';

/** What runs marked methods, for one application. */
export interface MethodRunner {
  /** Whether its application has come to its end; its objects may then belong to another one. */
  readonly isEnded: boolean;
}

/** A class needs a runner, since one of its methods is marked. */
export interface RunnerMark {
  /** As it is written: `@DistributedLock()`. */
  readonly decorator: string;
  /** The first method that needs it, as `Class.method`. */
  readonly method: string;
  /** The `name` of the module whose runner it is. */
  readonly module: string;
}

/** The recipe whose runners are bound. */
export interface RunnerBindingOptions<Runner extends MethodRunner> {
  /** The class of the module, as it is written: `LockModule`. */
  readonly moduleClass: string;
  /** What marked methods are given, as in `has no locks`: `locks`. */
  readonly noun: string;
  /** The class of the runners. */
  readonly runner: abstract new (...args: never[]) => Runner;
  /** The token under which the module of a name provides its runner. */
  readonly tokenOf: (module: string) => string;
  /** What tests substitute instead of the runner, as it is written: `getLocksToken()`. */
  readonly substitute: string;
  readonly SetupError: RecipeSetupErrorClass;
}

/** The name of a module that is given none. */
export const DEFAULT_MODULE = 'default';

/**
 * How a marked method finds what runs it: by a hidden property of its object, which Nest injects. So
 * each object has the runner of the application that made it, request-scoped ones and those of
 * several applications in one process included; and where the module is missing, Nest does not start,
 * because it cannot resolve the property.
 */
export class RunnerBinding<Runner extends MethodRunner> {
  private readonly options: RunnerBindingOptions<Runner>;
  /** The properties' keys, by decorator and name of the module. */
  private readonly keys = new Map<string, symbol>();
  /** The marks by the prototype on which they stand. It describes classes, not applications. */
  private readonly marks = new WeakMap<object, RunnerMark[]>();

  constructor(options: RunnerBindingOptions<Runner>) {
    this.options = options;
  }

  /** Makes Nest give a runner to each object of a class. For decorators. */
  require(prototype: object, mark: RunnerMark): void {
    const own = this.marks.get(prototype) ?? [];
    const key = this.keyOf(mark);
    if (own.some((other) => this.keyOf(other) === key)) return;
    this.marks.set(prototype, [...own, mark]);
    Inject(this.options.tokenOf(mark.module))(prototype, key);
    const bind = (instance: object, runner: unknown) => this.bind(instance, mark, runner);
    Object.defineProperty(prototype, key, {
      configurable: true,
      // Not enumerable on the object: it shall not show where that is printed, compared or copied.
      set(this: object, runner: unknown) {
        bind(this, runner);
      },
    });
  }

  /** The runner of an object; null: it has none, since Nest did not make it. */
  runnerOf(instance: unknown, mark: Omit<RunnerMark, 'method'>): Runner | null {
    if (typeof instance !== 'object' || instance === null) return null;
    const runner = (instance as Readonly<Record<symbol, unknown>>)[this.keyOf(mark)];
    return runner instanceof this.options.runner ? runner : null;
  }

  /** As {@link runnerOf}. @throws `SetupError`: the object has none, and is not run without. */
  requireRunnerOf(instance: unknown, { decorator, method, module }: RunnerMark): Runner {
    const runner = this.runnerOf(instance, { decorator, module });
    if (runner !== null) return runner;
    const { SetupError, noun } = this.options;
    throw new SetupError(
      `${method} is under ${decorator}, and its object has no ${noun} (yet): Nest gives ` +
        'them to the objects that it makes, after their constructors have run',
    );
  }

  /**
   * Gives their runner to the objects that Nest has not made itself (`useValue`, `useFactory`). For the
   * `onModuleInit` of the module.
   *
   * @param own The name of this module; `all`: the names of all modules of the recipe.
   * @throws `SetupError`: a mark names a module that is not there, or its object cannot be bound.
   */
  bindAll(
    discovery: DiscoveryService,
    { own, all }: { readonly own: string; readonly all: readonly string[] },
    runner: unknown,
  ): void {
    const wrappers = [...discovery.getProviders(), ...discovery.getControllers()];
    for (const { instance } of wrappers as { readonly instance: unknown }[]) {
      if (typeof instance !== 'object' || instance === null) continue;
      for (const mark of this.marksOf(instance)) {
        if (mark.module === own) this.bind(instance, mark, runner);
        else if (this.runnerOf(instance, mark) === null && !all.includes(mark.module)) {
          const { SetupError, moduleClass } = this.options;
          throw new SetupError(
            `${mark.decorator} on ${mark.method} needs ${moduleClass}.forRoot(...) with the name ` +
              `"${mark.module}" in the imports`,
          );
        }
      }
    }
  }

  /** Nest prints the description when it cannot resolve the property, so that is what it is for. */
  private keyOf({ decorator, module }: Omit<RunnerMark, 'method'>): symbol {
    const name = module === DEFAULT_MODULE ? '' : ` with the name "${module}"`;
    const { moduleClass } = this.options;
    const description = `its ${decorator} needs ${moduleClass}.forRoot(...)${name} in the imports`;
    const key = this.keys.get(description) ?? Symbol(description);
    this.keys.set(description, key);
    return key;
  }

  /** All marks of an object's class and of those that it extends. */
  private marksOf(instance: object): readonly RunnerMark[] {
    const found: RunnerMark[] = [];
    let prototype = Object.getPrototypeOf(instance) as object | null;
    for (; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
      found.push(...(this.marks.get(prototype) ?? []));
    }
    return found;
  }

  private bind(instance: object, mark: RunnerMark, runner: unknown): void {
    const { SetupError, moduleClass, noun, substitute } = this.options;
    const refuse = (problem: string): never => {
      throw new SetupError(`${mark.decorator} on ${mark.method} ${problem}`);
    };
    const before = this.runnerOf(instance, mark);
    if (before === runner) return;
    if (!(runner instanceof this.options.runner)) {
      return refuse(
        `was given a substitute for its ${noun}: import ${moduleClass}, and substitute what is ` +
          `provided as ${substitute}`,
      );
    }
    if (before !== null && !before.isEnded) {
      throw new SetupError(
        `${mark.decorator} on ${mark.method}: its object belongs to two applications at the same ` +
          `time, so nobody could say with which session it takes its ${noun}`,
      );
    }
    const isBound = Reflect.defineProperty(instance, this.keyOf(mark), {
      value: runner,
      configurable: true,
      enumerable: false,
    });
    if (!isBound) refuse(`cannot be given its ${noun}, because its object is frozen`);
  }
}
