import { isDeepStrictEqual } from 'node:util';

/**
 * The fields in which two values differ, with dots between their names, as deep as both have
 * objects or lists there. Sorted; a field that comes or goes is named as a whole; empty: they are
 * equal.
 */
export function changedPaths(previous: unknown, current: unknown): readonly string[] {
  const found: string[] = [];
  collect(previous, current, '', found);
  return found.sort();
}

function collect(previous: unknown, current: unknown, path: string, found: string[]): void {
  if (isDeepStrictEqual(previous, current)) return;
  if (
    !isPlain(previous) ||
    !isPlain(current) ||
    Array.isArray(previous) !== Array.isArray(current)
  ) {
    found.push(path);
    return;
  }
  for (const name of new Set([...Object.keys(previous), ...Object.keys(current)])) {
    const inner = path === '' ? name : `${path}.${name}`;
    if (Object.hasOwn(previous, name) && Object.hasOwn(current, name)) {
      collect(previous[name], current[name], inner, found);
    } else {
      found.push(inner);
    }
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}
