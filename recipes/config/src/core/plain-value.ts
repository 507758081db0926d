import { DocumentError } from './document-error.js';

/**
 * A value as it will be read back: of null, texts, numbers, truth values, lists and objects. What has
 * a `toJSON`, such as a Date, is what that returns; an object of a class is its own properties; undefined
 * properties are left out.
 *
 * Other writers of JSON turn NaN into null and a Map into nothing, without a word.
 *
 * @throws {DocumentError} Something in it is none of these. The value must not contain itself.
 */
export function plainValue(value: unknown, path: readonly string[] = []): unknown {
  // A Buffer has a `toJSON`, of whose result nobody makes a Buffer; that of a wrong Date is null.
  if (ArrayBuffer.isView(value)) throw unfit(path, `a ${kindOf(value)}`);
  if (value instanceof Date && Number.isNaN(value.getTime())) throw unfit(path, 'an invalid Date');
  const given = hasToJson(value) ? value.toJSON() : value;
  switch (typeof given) {
    case 'string':
    case 'boolean':
      return given;
    case 'number':
      if (!Number.isFinite(given)) throw unfit(path, `the number ${given}`);
      // Nobody writes the sign of a zero.
      return given === 0 ? 0 : given;
    case 'object':
      return given === null ? null : plainObject(given, path);
    default:
      throw unfit(path, given === undefined ? 'undefined' : `a ${typeof given}`);
  }
}

function plainObject(given: object, path: readonly string[]): unknown {
  const inner = (value: unknown, name: string) => plainValue(value, [...path, name]);
  // Array.from visits holes, too.
  if (Array.isArray(given)) return Array.from(given, (value, at) => inner(value, String(at)));
  const kind = kindOf(given);
  if (Object.getOwnPropertySymbols(given).length > 0)
    throw unfit(path, 'a property named by a symbol');
  if (kind !== 'Object') throw unfit(path, `a ${kind}`);
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, inner(value, name)]));
}

function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function hasToJson(value: unknown): value is { toJSON(): unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'toJSON') === 'function'
  );
}

function unfit(path: readonly string[], what: string): DocumentError {
  return new DocumentError(
    `${what} cannot be written: use texts, finite numbers, true, false, null, lists and objects`,
    path.join('.'),
  );
}
