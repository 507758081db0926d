const MUTATORS: readonly (readonly [new () => object, readonly string[]])[] = [
  [Map, ['set', 'delete', 'clear']],
  [Set, ['add', 'delete', 'clear']],
  [Date, Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith('set'))],
];

/**
 * Freezes a value and all that it consists of, and returns it. Also a Map, a Set and a Date, which
 * keep what they hold out of the reach of `Object.freeze`. Views of buffers and functions stay as they
 * are.
 */
export function deepFreeze<T>(value: T): T {
  freezeAll(value, new Set());
  return value;
}

function freezeAll(value: unknown, seen: Set<unknown>): void {
  // A function or class is no data; it may be anybody's, with all that hangs on it.
  if (typeof value !== 'object' || value === null) return;
  if (seen.has(value) || ArrayBuffer.isView(value)) return;
  seen.add(value);
  if (value instanceof Map || value instanceof Set) {
    for (const entry of value.entries()) entry.forEach((part) => freezeAll(part, seen));
  }
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property !== undefined && 'value' in property) freezeAll(property.value, seen);
  }
  if (Object.isFrozen(value)) return;
  closeMutators(value);
  Object.freeze(value);
}

function closeMutators(value: object): void {
  if (!Object.isExtensible(value)) return;
  for (const [type, names] of MUTATORS) {
    if (!(value instanceof type)) continue;
    for (const name of names) Object.defineProperty(value, name, { value: refuse });
  }
}

function refuse(): never {
  throw new TypeError('the configuration cannot be changed here: publish another one');
}
