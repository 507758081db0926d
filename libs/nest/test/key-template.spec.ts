import { describe, expect, it } from '@jest/globals';
import { pathProblem } from '@aviary/foundation';
import fc from 'fast-check';
import { compileTemplate, parameterPlaces } from '../src/index.js';

interface Order {
  readonly id: unknown;
  readonly customer?: { readonly name: unknown } | null;
}

interface Unpacked {
  readonly id: unknown;
  readonly customer: { readonly name: unknown };
  readonly kind: unknown;
}

/* eslint-disable @typescript-eslint/no-unused-vars -- only their names count */
class Subjects {
  byId(id: string) {}
  settle(order: Order, retries = 3) {}
  unpacked({ id, customer: { name }, kind: sort = 'a,b' }: Unpacked) {}
  /** See below. */
  traps(...args: never[]) {}
  *['computed(name'](first: number) {}
  nothing() {}
  $unusual_ñ($a: number, _b: number, ñ: number) {}
}
/* eslint-enable @typescript-eslint/no-unused-vars */

const subjects = Subjects.prototype;

// As text, so that no formatter makes it easy.
const traps = `async traps(a = [2, ')'].at((0, 1)), /* b, */ c = "it's, (", // d,
  e = \`x\${')'}\`, f=')' , ...rest) {}`;
// eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own text, three lines above
subjects.traps = (new Function(`return ({ ${traps} }).traps`) as () => Subjects['traps'])();

type Name = Exclude<keyof Subjects, symbol>;

class TemplateError extends Error {}
class CallError extends Error {}

const refusals = {
  refuseTemplate(problem: string): never {
    throw new TemplateError(problem);
  },
  refuseCall(problem: string): never {
    throw new CallError(problem);
  },
};

function key(template: string, method: Name, ...args: unknown[]): string {
  return compileTemplate(template, subjects[method], refusals)(args);
}

describe('the names of parameters', () => {
  const names = (method: Name) =>
    [...parameterPlaces(subjects[method])].map(
      ([name, { index, field }]) => `${name}=${index}${field === null ? '' : `.${field}`}`,
    );

  it.each<[Name, string[]]>([
    ['byId', ['id=0']],
    ['settle', ['order=0', 'retries=1']],
    ['unpacked', ['id=0.id', 'sort=0.kind']],
    ['traps', ['a=0', 'c=1', 'e=2', 'f=3']],
    ['computed(name', ['first=0']],
    ['nothing', []],
    ['$unusual_ñ', ['$a=0', '_b=1', 'ñ=2']],
  ])('are read from the source of %s', (method, expected) => {
    expect(names(method)).toEqual(expected);
  });

  it('are none where the source is not to be had', () => {
    const bound = subjects.byId.bind(subjects);
    expect([...parameterPlaces(bound)]).toEqual([]);
  });
});

describe('a key', () => {
  it.each<[string, Name, unknown[], string]>([
    ['orders/{id}', 'byId', ['42'], 'orders/42'],
    ['orders/{id}', 'byId', [42n], 'orders/42'],
    ['/shop/{id}-{id}', 'byId', [-1.5], '/shop/-1.5--1.5'],
    ['{id}', 'byId', [false], 'false'],
    ['orders/{order.id}/settle', 'settle', [{ id: 7 }], 'orders/7/settle'],
    ['{order.customer.name}', 'settle', [{ id: 7, customer: { name: 'Ann' } }], 'Ann'],
    ['{0.id}/{1}', 'settle', [{ id: 7 }, 2], '7/2'],
    ['{id}/{sort}', 'unpacked', [{ id: 7, kind: 'b' }], '7/b'],
    ['nightly', 'nothing', [], 'nightly'],
    ['{id}', 'byId', ['a/b'], 'a%2Fb'],
    ['{id}', 'byId', ['..'], '%2E%2E'],
    ['{id}', 'byId', ['.'], '%2E'],
    ['{id}', 'byId', ['...'], '...'],
    ['{id}', 'byId', ['50%'], '50%25'],
    ['{id}', 'byId', ['a\u0000\u001f'], 'a%00%1F'],
    ['{id}', 'byId', ['Grüße, Åsa'], 'Grüße, Åsa'],
    ['{id}', 'byId', ['🔒'], '%F0%9F%94%92'],
  ])('%s of %s%j is %s', (template, method, args, expected) => {
    expect(key(template, method, ...args)).toBe(expected);
  });

  it.each<[string, Name, unknown[], string]>([
    ['{id}', 'byId', [], 'id is undefined'],
    ['{id}', 'byId', [null], 'id is null'],
    ['{id}', 'byId', [''], 'id is empty'],
    ['{id}', 'byId', [NaN], 'id is NaN'],
    ['{id}', 'byId', [{}], 'id is object'],
    ['{id}', 'byId', [() => ''], 'id is function'],
    ['{id}', 'byId', ['\ud83d'], 'id is not well-formed Unicode'],
    ['{order.id}', 'settle', [undefined], 'order.id is undefined'],
    ['{order.customer.name}', 'settle', [{ customer: null }], 'order.customer.name is undefined'],
  ])('%s of %s%j is refused: %s', (template, method, args, problem) => {
    const make = () => key(template, method, ...args);
    expect(make).toThrow(CallError);
    expect(make).toThrow(problem);
  });

  it('stays in its place and differs for different values, whatever they are', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.string({ minLength: 1 }),
    );
    fc.assert(
      fc.property(value, value, (one, other) => {
        const keys = [one, other].map((id) => key('a/{id}/b', 'byId', id));
        for (const made of keys) {
          expect(pathProblem(`/${made}`)).toBeNull();
          expect(made.split('/')).toHaveLength(3);
        }
        expect(keys[0] === keys[1]).toBe(one === other);
        expect(keys.map((made) => decodeURIComponent(made.slice(2, -2)))).toEqual([one, other]);
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });
});

describe('a template', () => {
  it.each<[string, Name, RegExp]>([
    ['orders/{idd}', 'byId', /has no parameter "idd", but id; name one of them/],
    ['orders/{orderId}', 'settle', /has no parameter "orderId", but order, retries/],
    ['orders/{rest}', 'traps', /has no parameter "rest"/],
    ['orders/{name}', 'unpacked', /has no parameter "name"/],
    ['orders/{id}', 'nothing', /has no parameter "id", and no other whose name is known/],
    ['orders/{}', 'byId', /"{}" must be a parameter/],
    ['orders/{id.}', 'byId', /must be a parameter/],
    ['orders/{id + 1}', 'byId', /must be a parameter/],
    ['orders/{id', 'byId', /braces do not match/],
    ['orders/id}', 'byId', /braces do not match/],
    ['', 'byId', /it is empty/],
    ['/', 'byId', /not a path/],
    ['orders//{id}', 'byId', /empty component/],
    ['orders/{id}/', 'byId', /must not end/],
    ['../{id}', 'byId', /component "\.\."/],
  ])('%j on %s is refused when the class is defined', (template, method, problem) => {
    const compile = () => compileTemplate(template, subjects[method], refusals);
    expect(compile).toThrow(TemplateError);
    expect(compile).toThrow(problem);
  });
});
