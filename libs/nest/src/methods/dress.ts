import 'reflect-metadata';

/** A method as decorators see it. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

const originals = new WeakMap<Method, Method>();

/**
 * Makes `wrapper` look like `method`, in whose place it will stand: its name, its length, its own
 * properties and the metadata that decorators below left on it. Those above mark the wrapper itself.
 *
 * Without it a decorator that replaces a method would take `@Cron`, `@EventPattern` and their like
 * away from it, without a word.
 */
export function dress(wrapper: Method, method: Method): void {
  for (const name of ['name', 'length'] as const) {
    Object.defineProperty(wrapper, name, { value: method[name], configurable: true });
  }
  for (const name of Reflect.ownKeys(method)) {
    const property = Object.getOwnPropertyDescriptor(method, name);
    if (property && !Object.hasOwn(wrapper, name)) Object.defineProperty(wrapper, name, property);
  }
  for (const key of Reflect.getOwnMetadataKeys(method)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapper);
  }
  originals.set(wrapper, method);
}

/** The method inside of all its {@link dress}ed wrappers, which has the names of the parameters. */
export function originalOf(method: Method): Method {
  const inner = originals.get(method);
  return inner === undefined ? method : originalOf(inner);
}
