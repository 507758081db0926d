import { Injectable, Module, Scope } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { ParameterMarks, RecipeSetupError, placeArgument } from '../src/index.js';

class BellSetupError extends RecipeSetupError {}

const TUNES = new ParameterMarks({
  decorator: '@Tune()',
  SetupError: BellSetupError,
  whyNotStatic: 'a static method has no bell',
  methodDecorators: '@Ring(bell)',
});

function Tune(): ParameterDecorator {
  return (target, key, index) => TUNES.add(target, key, index);
}

/** What was claimed of each method, by its name. */
const claimed = new Map<string, readonly number[]>();

function Ring(): MethodDecorator {
  return (target, key) => {
    claimed.set(`${target.constructor.name}.${String(key)}`, TUNES.claim(target, key));
  };
}

@Injectable()
class Tower {
  @Ring()
  ring(_one: unknown, @Tune() tune: unknown, _other: unknown, @Tune() again: unknown): unknown {
    return [tune, again];
  }

  @Ring()
  overridden(@Tune() tune: unknown): unknown {
    return tune;
  }
}

@Injectable()
class TallTower extends Tower {
  @Ring()
  override overridden(): void {}
}

@Injectable()
class Forgetful extends Tower {
  override overridden(@Tune() tune: unknown): unknown {
    return tune;
  }
}

@Injectable({ scope: Scope.REQUEST })
class Silent {
  hum(@Tune() _tune: unknown): void {}
}

describe('parameters that the decorator of their method fills', () => {
  @Module({ imports: [DiscoveryModule] })
  class Tools {}

  const refused = async (provider: unknown) => {
    const testing = Test.createTestingModule({ imports: [Tools], providers: [provider as never] });
    const app = await testing.compile();
    return () => TUNES.refuseUnclaimed(app.get(DiscoveryService, { strict: false }));
  };

  it('are known to it by their indices, and not to one of a method that overrides', () => {
    expect([...(claimed.get('Tower.ring') ?? [])].sort()).toEqual([1, 3]);
    expect(claimed.get('TallTower.overridden')).toEqual([]);
  });

  it.each([Tower, TallTower])(
    'need nothing more where it has claimed them: %p',
    async (provider) => {
      expect(await refused(provider)).not.toThrow();
    },
  );

  it.each([
    [Forgetful, 'Forgetful.overridden'],
    [Silent, 'Silent.hum'],
    [{ provide: 'value', useValue: new Silent() }, 'Silent.hum'],
  ])('stop the start where nobody has: %p', async (provider, method) => {
    expect(await refused(provider)).toThrow(
      new BellSetupError(
        `@Tune() on a parameter of ${method}: nothing would give it a value: ` +
          'put @Ring(bell) on the method',
      ),
    );
  });

  it('are those of methods of objects', () => {
    expect(() => {
      class Wrong {
        static ring(@Tune() _tune: unknown): void {}
      }
      return Wrong;
    }).toThrow('@Tune() on a parameter of Wrong.ring: a static method has no bell');
    expect(() => {
      class Wrong {
        constructor(@Tune() _tune: unknown) {}
      }
      return Wrong;
    }).toThrow(
      '@Tune() on a parameter of Wrong.constructor: it belongs on a parameter of a method',
    );
  });

  it('have the value whatever else the method is called with', () => {
    expect(placeArgument([], [1], 'tune')).toEqual([undefined, 'tune']);
    const args = ['a', 'b', 'c', 'd'];
    expect(placeArgument(args, [1, 3], 'tune')).toEqual(['a', 'tune', 'c', 'tune']);
    expect(args).toEqual(['a', 'b', 'c', 'd']);
    expect(placeArgument(args, [], 'tune')).toEqual(args);
  });
});
