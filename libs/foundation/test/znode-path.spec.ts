import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { childPath, isValidPathBytes, nodeName, parentPath, pathProblem } from '@aviary/foundation';

const PROPERTY = { seed: 20_240_229, numRuns: 2000 };

/** The rule as the ZooKeeper guide tells it, one sentence after the other. */
function isPath(path: string): boolean {
  if (path === '/') return true;
  if (!path.startsWith('/')) return false;
  const names = path.slice(1).split('/');
  if (names.some((name) => name === '' || name === '.' || name === '..')) return false;
  return !/[\0-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/.test(path);
}

function isValidAsBytes(path: Uint8Array | string): boolean {
  const bytes = Buffer.from(path as string);
  const padded = Buffer.concat([Buffer.from('/x'), bytes, Buffer.from('/')]);
  return isValidPathBytes(padded, 2, 2 + bytes.length);
}

const valid = [
  '/',
  '/a',
  '/a/b/c',
  '/...',
  '/.a',
  '/a.',
  '/..a/b..',
  '/a..b',
  '/ ',
  '/~',
  '/\u00a0',
  '/ä漢',
  '/\ud7ff',
  '/\uf900',
  '/\ufeff',
  '/\uffef',
];

const invalid: [string, RegExp][] = [
  ['', /must not be empty/],
  ['a', /must start with "\/"/],
  ['a/b', /must start with "\/"/],
  ['/a/', /must not end with "\/"/],
  ['//', /must not end with "\/"/],
  ['//a', /empty component/],
  ['/a//b', /empty component/],
  ['/.', /component "\."/],
  ['/..', /component "\.\."/],
  ['/a/./b', /component "\."/],
  ['/a/../b', /component "\.\."/],
  ['/a/..', /component "\.\."/],
  ['/a\0b', /U\+0000 \(at index 2\)/],
  ['/\u001f', /U\+001F \(at index 1\)/],
  ['/\u007f', /U\+007F/],
  ['/\u009f', /U\+009F/],
  ['/\ud800', /U\+D800/],
  ['/😀', /U\+D83D/],
  ['/\ue000', /U\+E000/],
  ['/\uf8ff', /U\+F8FF/],
  ['/\ufff0', /U\+FFF0/],
  ['/\uffff', /U\+FFFF/],
];

describe('pathProblem', () => {
  it.each(valid)('finds none in %j', (path) => {
    expect(pathProblem(path)).toBeNull();
    expect(isPath(path)).toBe(true);
  });

  it.each(invalid)('finds one in %j', (path, message) => {
    expect(pathProblem(path)).toMatch(message);
    expect(isPath(path)).toBe(false);
  });

  it('judges every UTF-16 unit as the rule does', () => {
    for (let unit = 0; unit <= 0xffff; unit++) {
      const path = `/a${String.fromCharCode(unit)}b`;
      if ((pathProblem(path) === null) !== isPath(path)) throw new Error(`unit ${unit}`);
    }
  });

  it('agrees with the rule on any text', () => {
    const tricky = fc.constantFrom('/', '/', '.', '.', 'a', 'ä', '漢', '\u0085', '\ue001', '😀');
    const text = fc.oneof(
      fc.array(tricky, { maxLength: 12 }).map((units) => units.join('')),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    fc.assert(
      fc.property(text, fc.boolean(), (rest, isRooted) => {
        const path = isRooted ? `/${rest}` : rest;
        expect(pathProblem(path) === null).toBe(isPath(path));
        // The same path as bytes. Half a surrogate pair has no UTF-8 form, but neither is it valid.
        expect(isValidAsBytes(path)).toBe(isPath(path));
      }),
      PROPERTY,
    );
  });
});

describe('isValidPathBytes', () => {
  it.each([...valid, ...invalid.map(([path]) => path)])('judges %j as pathProblem does', (path) => {
    expect(isValidAsBytes(path)).toBe(pathProblem(path) === null);
  });

  it.each([
    ['a lone continuation byte', [0x80]],
    ['a start without its rest', [0xc3]],
    ['a start without its rest, then a slash', [0xe6, 0xbc, 0x2f, 0x61]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['an overlong dot', [0xe0, 0x80, 0xae]],
    ['surrogates one by one', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['a byte that UTF-8 never has', [0xff]],
  ])('refuses %s', (_name, bytes) => {
    expect(isValidAsBytes(Uint8Array.of(0x2f, ...bytes))).toBe(false);
    expect(isValidAsBytes(Uint8Array.of(0x2f, 0x61, ...bytes, 0x2f, 0x62))).toBe(false);
  });

  it('takes exactly the bytes of the valid paths, of all byte strings', () => {
    const byte = fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0x2f, 0x2e, 0xc3, 0xa4, 0x61));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 8 }), (rest) => {
        const bytes = Buffer.from([0x2f, ...rest]);
        const text = bytes.toString();
        const isUtf8 = Buffer.from(text).equals(bytes);
        expect(isValidAsBytes(bytes)).toBe(isUtf8 && isPath(text));
      }),
      { ...PROPERTY, numRuns: 5000 },
    );
  });
});

describe('parentPath, nodeName and childPath', () => {
  it.each([
    ['/', null, ''],
    ['/a', '/', 'a'],
    ['/a/b', '/a', 'b'],
    ['/a/b/c d', '/a/b', 'c d'],
  ])('of %j', (path, parent, name) => {
    expect(parentPath(path)).toBe(parent);
    expect(nodeName(path)).toBe(name);
    if (parent !== null) expect(childPath(parent, name)).toBe(path);
  });
});
