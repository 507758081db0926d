import { isDeepStrictEqual } from 'node:util';

/** Fields that lie deeper are named as part of the one around them. */
const DEPTH_MAX = 100;

/**
 * The fields in which two values differ, with dots between their names, as deep as both have
 * objects or lists there. Sorted; a field that comes or goes is named as a whole; empty: they are
 * equal.
 */
export function changedPaths(previous: unknown, current: unknown): readonly string[] {
  const found: string[] = [];
  collect(previous, current, '', found, []);
  return found.sort();
}

function collect(
  previous: unknown,
  current: unknown,
  path: string,
  found: string[],
  around: unknown[],
): void {
  if (isDeepStrictEqual(previous, current)) return;
  if (
    !isPlain(previous) ||
    !isPlain(current) ||
    Array.isArray(previous) !== Array.isArray(current) ||
    // What a schema made may contain itself, and so differ all the way down.
    around.includes(previous) ||
    around.includes(current) ||
    around.length > 2 * DEPTH_MAX
  ) {
    found.push(path);
    return;
  }
  around.push(previous, current);
  for (const name of new Set([...Object.keys(previous), ...Object.keys(current)])) {
    const inner = path === '' ? name : `${path}.${name}`;
    if (Object.hasOwn(previous, name) && Object.hasOwn(current, name)) {
      collect(previous[name], current[name], inner, found, around);
    } else {
      found.push(inner);
    }
  }
  around.length -= 2;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}
