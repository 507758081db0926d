import 'reflect-metadata';
import { Controller, Inject, Injectable, Module, Scope } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { Observable, of } from 'rxjs';
import {
  Marks,
  RecipeSetupError,
  dress,
  durationMs,
  durationOptionMs,
  shown,
  markedMethodOf,
  originalOf,
  requireOneObject,
  returnKindOf,
  type Method,
  type MethodDecoration,
} from '../src/index.js';

class BellSetupError extends RecipeSetupError {}

const MARKS = new Marks<string>();

function Bell(tune: string) {
  return (prototype: object, key: string | symbol): void => MARKS.add(prototype, key, tune);
}

/** Replaces the method, as decorators of others do, without any care. */
function Careless(): MethodDecorator {
  return (_target, _key, descriptor) => {
    const method = descriptor.value as unknown as Method;
    descriptor.value = function (this: unknown, ...args: unknown[]) {
      return method.apply(this, args);
    } as never;
  };
}

describe('durations', () => {
  it.each<[unknown, number | null]>([
    [0, 0],
    [1.5, 1.5],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    [-1, null],
    [NaN, null],
    ['5', null],
    ['5 s', null],
    ['-5s', null],
    [undefined, null],
    [{}, null],
  ])('%j is %j', (given, ms) => {
    expect(durationMs(given)).toBe(ms);
  });

  it('are refused as options by their name', () => {
    const refuse = (problem: string): never => {
      throw new BellSetupError(problem);
    };
    expect(durationOptionMs('wait', undefined, refuse)).toBeUndefined();
    expect(durationOptionMs('wait', '2s', refuse)).toBe(2_000);
    expect(() => durationOptionMs('wait', '2 s', refuse)).toThrow(
      'wait must be milliseconds or a time such as "5s", not "2 s"',
    );
    expect(() => durationOptionMs('wait', 5n, refuse)).toThrow('"5s", not 5n');
    expect(() => durationOptionMs('wait', NaN, refuse)).toThrow('"5s", not NaN');
  });
});

it('what was given is shown on one line, cut where it is long, whatever it is', () => {
  const circular: Record<string, unknown> = { text: 'a\nb' };
  circular.self = circular;
  expect(shown(circular)).toBe("<ref *1> { text: 'a\\nb', self: [Circular *1] }");
  expect(['a"b', 5n, NaN, undefined, null, Symbol('s')].map(shown)).toEqual([
    '"a\\"b"',
    '5n',
    'NaN',
    'undefined',
    'null',
    'Symbol(s)',
  ]);
  expect(shown(() => 1)).toBe('[Function (anonymous)]');
  expect(shown('x'.repeat(1_000_000)).length).toBeLessThan(250);
  expect(shown(Array(1_000).fill('x'.repeat(50))).length).toBeLessThan(250);
});

describe('N1: a method in the place of another', () => {
  function wrap(method: Method): Method {
    const wrapper: Method = function (...args) {
      return method.apply(this, args);
    };
    dress(wrapper, method);
    return wrapper;
  }

  it('has its name, length, properties and metadata, and keeps what it has itself', () => {
    const method: Method = function ring(_one, _two) {
      return 'rang';
    };
    Object.assign(method, { tune: 'a' });
    Reflect.defineMetadata('job', { every: 1 }, method);
    const outer = wrap(wrap(method));
    Reflect.defineMetadata('role', 'bell', outer);
    expect([outer.name, outer.length, (outer as never as { tune: string }).tune]).toEqual([
      'ring',
      2,
      'a',
    ]);
    expect(Reflect.getMetadata('job', outer)).toEqual({ every: 1 });
    expect(Reflect.getMetadata('role', method)).toBeUndefined();
    expect(originalOf(outer)).toBe(method);
    expect(originalOf(method)).toBe(method);
  });
});

describe('N7: a decorator that belongs on a method', () => {
  const decoration: MethodDecoration = {
    decorator: '@Bell()',
    SetupError: BellSetupError,
    whyNotStatic: 'a static method has no bell',
    whyNotGenerator: 'a generator has no end',
  };

  const note = (): MethodDecorator => () => undefined;

  class Tower {
    static ringAll(): void {}

    get loud(): string {
      return this.constructor.name;
    }

    @note()
    async promise(): Promise<void> {}

    @note()
    stream(): Observable<number> {
      return of(1);
    }

    @note()
    either(): Promise<void> | null {
      return null;
    }

    @note()
    count(): number {
      return 1;
    }

    unmarked(): number {
      return 1;
    }

    *rows(): Generator<number> {
      yield 1;
    }

    async *later(): AsyncGenerator<number> {
      yield Promise.resolve(1);
    }
  }

  const on = (target: object, key?: string) =>
    markedMethodOf(
      decoration,
      target,
      key,
      key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key),
    );

  it('takes a method, and says what it is called', () => {
    const { promise } = Object.getOwnPropertyDescriptors(Tower.prototype);
    expect(on(Tower.prototype, 'promise')).toEqual({ value: promise.value, name: 'Tower.promise' });
  });

  it.each<[string, object, string | undefined, string]>([
    ['a class', Tower, undefined, '@Bell() on Tower: it belongs on a method, not on a class'],
    ['a static method', Tower, 'ringAll', 'on Tower.ringAll: a static method has no bell'],
    ['an accessor', Tower.prototype, 'loud', 'on Tower.loud: it belongs on a method, not on a'],
    ['a property', Tower.prototype, 'tune', 'on Tower.tune: it belongs on a method, not on a'],
    ['a generator', Tower.prototype, 'rows', 'on Tower.rows: a generator has no end'],
    ['an asynchronous one', Tower.prototype, 'later', 'on Tower.later: a generator has no end'],
  ])('refuses %s', (_what, target, key, problem) => {
    expect(() => on(target, key)).toThrow(BellSetupError);
    expect(() => on(target, key)).toThrow(problem);
  });

  it('can know what the method says that it returns', () => {
    const kinds = (['promise', 'stream', 'either', 'count', 'unmarked'] as const).map((key) =>
      returnKindOf(Tower.prototype, key),
    );
    expect(kinds).toEqual([
      { kind: 'promise' },
      { kind: 'stream' },
      { kind: 'unsaid' },
      { kind: 'immediate', type: 'Number' },
      { kind: 'unsaid' },
    ]);
  });
});

describe('marks', () => {
  @Injectable()
  class Tower {
    @Bell('quiet')
    declare tune: string;

    @Bell('loud')
    @Careless()
    @Bell('late')
    ring(): void {}

    @Bell('never')
    overridden(): void {}

    @Bell('low')
    inherited(): void {}
  }

  @Injectable()
  class TallTower extends Tower {
    override overridden(): void {}

    @Bell('high')
    override ring(): void {}
  }

  @Controller()
  class Door {
    @Bell('door')
    ring(): void {}
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    @Bell('request')
    ring(): void {}
  }

  @Injectable()
  class BelowRequest {
    constructor(@Inject(PerRequest) readonly per: PerRequest) {}

    @Bell('below')
    ring(): void {}
  }

  @Injectable({ scope: Scope.TRANSIENT })
  class Transient {
    @Bell('transient')
    ring(): void {}
  }

  @Module({ imports: [DiscoveryModule] })
  class Tools {}

  const find = async (providers: never[], controllers: never[] = []) => {
    const testing = Test.createTestingModule({ imports: [Tools], providers, controllers });
    const app = await (await testing.compile()).init();
    return { app, found: MARKS.find(app.get(DiscoveryService, { strict: false })) };
  };
  const shown = ({ found }: Awaited<ReturnType<typeof find>>) =>
    found.map(({ label, value, scope }) => `${label} ${value} ${scope}`).sort();

  it('are found on methods and properties, below and above a decorator that replaces', async () => {
    const made = await find([Tower] as never[]);
    expect(shown(made)).toEqual([
      'Tower.inherited low static',
      'Tower.overridden never static',
      'Tower.ring late static',
      'Tower.ring loud static',
      'Tower.tune quiet static',
    ]);
    for (const { instance } of made.found) expect(instance).toBe(made.app.get(Tower));
  });

  it('are inherited by what a subclass does not define anew', async () => {
    const made = await find([TallTower] as never[]);
    expect(shown(made)).toEqual([
      'TallTower.inherited low static',
      'TallTower.ring high static',
      'TallTower.tune quiet static',
    ]);
  });

  it('are found once for each object, however it is provided', async () => {
    const tower = new Tower();
    const providers = [
      TallTower,
      { provide: 'alias', useExisting: TallTower },
      { provide: 'value', useValue: tower },
      { provide: 'factory', useFactory: () => Promise.resolve(tower) },
    ];
    const made = await find(providers as never[], [Door] as never[]);
    const objects = new Set(made.found.map(({ instance }) => instance));
    expect(objects.size).toBe(3);
    expect(made.found).toHaveLength(3 + 5 + 1);
    expect(objects).toContain(tower);
  });

  it('tell of providers that have no object of their own, and how many there will be', async () => {
    const made = await find([PerRequest, BelowRequest, Transient] as never[]);
    expect(shown(made)).toEqual([
      'BelowRequest.ring below request',
      'PerRequest.ring request request',
      'Transient.ring transient transient',
    ]);
    const problems = made.found.map((mark) => {
      expect(mark.instance).toBeNull();
      try {
        return requireOneObject(mark, '@Bell()', BellSetupError);
      } catch (error) {
        expect(error).toBeInstanceOf(BellSetupError);
        return String(error);
      }
    });
    expect(problems.sort()).toEqual([
      expect.stringMatching(/@Bell\(\) on BelowRequest\.ring: .* request-scoped.* default scope/),
      expect.stringMatching(/@Bell\(\) on PerRequest\.ring: .* request-scoped/),
      expect.stringMatching(/@Bell\(\) on Transient\.ring: its class is transient/),
    ]);
  });
});
