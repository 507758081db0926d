import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DocumentError } from '../src/core/document-error.js';
import { encodeValue, parseBytes, type TextFormat } from '../src/core/document.js';
import { jsonFault } from '../src/core/json-fault.js';

const parse = (text: string, format: TextFormat = 'json') =>
  parseBytes(Buffer.from(text), format, 1_000);

function problemOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof DocumentError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('data that are no JSON', () => {
  it.each([
    ['{"a": 1,}', 'line 1, column 9: expected a name in double quotes, found "}"'],
    ['{"a" 1}', 'line 1, column 6: expected ":", found "1"'],
    ['{a: 1}', 'line 1, column 2: expected a name in double quotes or "}", found "a"'],
    ['{\n  "a": [1, 2\n', 'line 3, column 1: expected "," or the end of the list or object, found'],
    ['[1, ]', 'line 1, column 5: expected a value, found "]"'],
    ['{"a": }', 'line 1, column 7: expected a value, found "}"'],
    ['{"a": "x\ny"}', 'line 1, column 7: expected a value, found "\\""'],
    ['{} x', 'line 1, column 4: expected the end, found "x"'],
    ['vat: 1', 'line 1, column 1: expected a value, found "v"'],
    ['   ', 'line 1, column 4: expected a value, found the end'],
    ['{"a": NaN}', 'line 1, column 7: expected a value, found "N"'],
    ['{"a": 01}', 'line 1, column 8: expected "," or the end'],
  ])('are refused with their place: %j', (text, problem) => {
    expect(problemOf(() => parse(text))).toContain(problem);
  });

  it('are found exactly where the parser of the runtime finds some', () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from('{}[],:"\\1-.eE tnrufalse\n')) });
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '{', '}', ']', ',', ':', '"', '0', 'x'))
      .map(([json, at, put]) => {
        const place = at % (json.length + 1);
        return json.slice(0, place) + put + json.slice(place + 1);
      });
    const isJson = (given: string): boolean => {
      try {
        JSON.parse(given);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fc.oneof(text, mutated, fc.json()), (given) => {
        expect(jsonFault(given) === null).toBe(isJson(given));
      }),
      { numRuns: 3_000, seed: 7 },
    );
  });
});

describe('data that are no YAML', () => {
  it.each([
    ['a: [1, 2', /line 1, column 9: /],
    ['a: 1\na: 2', /line 2, column 1: .*unique/],
    ['a: !!js/function "x"', /line 1, column 4: .*tag/],
    ['a: 1\n---\nb: 2', /multiple documents/],
    ['a: *nowhere', /alias/i],
  ])('are refused with their place: %j', (text, problem) => {
    expect(problemOf(() => parse(text, 'yaml'))).toMatch(problem);
  });

  it('or whose aliases stand for more than is reasonable', () => {
    const levels = Array.from(
      { length: 8 },
      (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at},`.repeat(9)}]`,
    );
    const bomb = ['l0: &l0 [x,x,x,x,x,x,x,x,x]', ...levels].join('\n');
    expect(problemOf(() => parse(bomb, 'yaml'))).toMatch(/alias/i);
  });
});

describe('YAML that nests thousands of levels deep', () => {
  // Its parser takes seconds over these, and minutes over what fits into a node.
  it.each([
    ['lists', '['.repeat(20_000)],
    ['objects', '{a: '.repeat(20_000)],
    ['lists on one line', `${'- '.repeat(20_000)}x`],
  ])('is refused at once: %s', (_what, text) => {
    const before = process.cpuUsage();
    const problem = problemOf(() => parseBytes(Buffer.from(text), 'yaml', 400_000));
    expect(problem).toBe('it is nested deeper than 100 levels');
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(500);
  });

  it('is not taken for what is merely long', () => {
    const list = Array.from({ length: 300 }, (_, at) => ({ at, tags: ['[', '- - -'] }));
    const text = list.map((one) => `- ${JSON.stringify(one)}\n- ['-', '?']\n- - x`).join('\n');
    expect(parseBytes(Buffer.from(text), 'yaml', 400_000)).toHaveLength(900);
  });
});

describe('YAML', () => {
  it('has aliases, merges and comments', () => {
    const text = 'base: &base { vat: 0.2 } # for all\neu:\n  <<: *base\n  currency: EUR\n';
    const eu = { vat: 0.2, currency: 'EUR' };
    expect(parse(text, 'yaml')).toEqual({ base: { vat: 0.2 }, eu });
  });

  it('of version 1.2 takes no for a word', () => {
    expect(parse('country: no', 'yaml')).toEqual({ country: 'no' });
  });
});

describe('data of either format', () => {
  it.each([
    ['json', '{"__proto__": {"isAdmin": true}}', 'the name "__proto__" is not allowed'],
    ['json', '{"a": {"b": {"__proto__": 1}}}', 'the name "__proto__" in a.b is not allowed'],
    ['json', '{"constructor": {"prototype": {"x": 1}}}', 'the name "constructor" is not allowed'],
    ['yaml', 'a:\n  __proto__: { isAdmin: true }', 'the name "__proto__" in a is not allowed'],
    ['json', `${'['.repeat(300)}${']'.repeat(300)}`, 'nested deeper than 100 levels'],
    ['json', JSON.stringify('x'.repeat(1_000)), 'it has 1002 bytes, more than the 1000 allowed'],
    ['yaml', '', 'the node has no data'],
  ] as const)('are refused: %s %s', (format, text, problem) => {
    expect(problemOf(() => parse(text, format))).toContain(problem);
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
  });

  it('may have a field of the name of a constructor', () => {
    expect(parse('{"constructor": "Ferrari"}')).toEqual({ constructor: 'Ferrari' });
  });

  it('must be UTF-8, and may begin with a byte order mark', () => {
    const bytes = (...all: number[]) => parseBytes(Uint8Array.from(all), 'json', 100);
    expect(problemOf(() => bytes(0x22, 0xff, 0x22))).toBe('it is not UTF-8 text');
    expect(bytes(0xef, 0xbb, 0xbf, 0x31)).toBe(1);
    expect(problemOf(() => parseBytes(null, 'json', 100))).toBe('the node has no data');
  });
});

describe('a value', () => {
  it.each(['json', 'yaml'] as const)('is written as %s so that it is read back', (format) => {
    const plain = fc
      .json({ maxDepth: 4 })
      .filter((text) => !/__proto__|-0\b/.test(text))
      .map((text): unknown => JSON.parse(text));
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = encodeValue(value, format, 100_000);
        expect(parseBytes(bytes, format, 100_000)).toEqual(value);
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['the number NaN', { a: { b: NaN } }],
    ['the number -Infinity', { a: { b: -Infinity } }],
    ['undefined', { a: { b: [undefined] } }],
    ['a Map', { a: { b: new Map([['c', 1]]) } }],
    ['a Set', { a: { b: new Set([1]) } }],
    ['a Uint8Array', { a: { b: new Uint8Array(2) } }],
    ['a Uint8Array', { a: { b: Buffer.from('text') } }],
    ['an invalid Date', { a: { b: new Date(NaN) } }],
    ['a property named by a symbol', { a: { b: { [Symbol('c')]: 1 } } }],
    ['a function', { a: { b: () => 1 } }],
    ['a bigint', { a: { b: 1n } }],
    ['a symbol', { a: { b: Symbol('c') } }],
  ])('is refused if it would not be read back: %s in %p', (what, value) => {
    for (const format of ['json', 'yaml'] as const) {
      const problem = problemOf(() => encodeValue(value, format, 1_000));
      expect(problem).toContain(`${what} cannot be written: use texts, finite numbers, `);
    }
  });

  it('is written as its toJSON says, without what is undefined', () => {
    const read = (value: unknown, format: TextFormat) =>
      parseBytes(encodeValue(value, format, 1_000), format, 1_000);
    for (const format of ['json', 'yaml'] as const) {
      class Money {
        amount = 5;
      }
      const value = { since: new Date(0), zero: -0, none: undefined, price: new Money() };
      const since = '1970-01-01T00:00:00.000Z';
      expect(read(value, format)).toEqual({ since, zero: 0, price: { amount: 5 } });
    }
    expect(problemOf(() => encodeValue({ '<<': { a: 1 } }, 'yaml', 1_000))).toMatch(/read back/);
  });

  it('that contains itself, or is too long, is refused', () => {
    const ring: { inner?: unknown } = {};
    ring.inner = { ring };
    for (const format of ['json', 'yaml'] as const) {
      expect(problemOf(() => encodeValue(ring, format, 1_000))).toBe('it contains itself');
    }
    expect(problemOf(() => encodeValue('x'.repeat(99), 'json', 100))).toMatch(/102 bytes, more/);
  });
});
