import type { TreeSnapshot } from '@aviary/coordination';
import { childPath } from '@aviary/foundation';
import { DocumentError, checkDocument, textOf } from './document.js';

/** Properties as an object: those whose names have dots lie in each other. */
interface Properties {
  [name: string]: string | Properties;
}

/** How names of properties are separated, in paths of nodes and in names of nodes. */
const SEPARATOR = /[/.]/;

/**
 * The layers of an application as Spring Cloud ZooKeeper has them, from the least specific to the
 * most: what all applications share, with each profile, then the application's own, with each
 * profile.
 *
 * @param application The name of the application: `orders`.
 * @param options.shared The name of what all share. Default: `application`.
 * @param options.root Where they stand. Default: the `root` of who reads them, for Spring
 * `/config`.
 *
 * @example
 * configs.watch('orders', { format: 'properties', layers: springLayers('orders', { profiles: ['eu']
 * }) });
 */
export function springLayers(
  application: string,
  options: {
    readonly profiles?: readonly string[];
    readonly shared?: string;
    readonly root?: string;
  } = {},
): readonly string[] {
  const { profiles = [], shared = 'application', root } = options;
  const contexts = shared === application ? [shared] : [shared, application];
  const names = contexts.flatMap((name) => [
    name,
    ...profiles.map((profile) => `${name},${profile}`),
  ]);
  return root === undefined ? names : names.map((name) => childPath(root, name));
}

/**
 * One object out of trees of properties; what a later one says goes before what an earlier one
 * says.
 *
 * Each node without children and with data is a property, whose value is its text; its name is its
 * path below the root, with dots for slashes.
 *
 * @throws {DocumentError} A node cannot be read, is no text, or has a name that cannot be one; or
 * all together are more than `bytesMax`.
 */
export function parseProperties(trees: readonly TreeSnapshot[], bytesMax: number): unknown {
  let whole: Properties = {};
  let bytes = 0;
  for (const tree of trees) {
    for (const { path, error } of tree.problems) {
      throw new DocumentError(`${path} cannot be read: ${error.message}`);
    }
    const layer: Properties = {};
    for (const { path, data, children } of tree.nodes()) {
      // Data of nodes with children are mostly the address that Curator writes into what it makes.
      if (children.size > 0 || data === null || data.length === 0 || path === tree.path) continue;
      bytes += data.length;
      put(layer, path.slice(tree.path.length + 1).split(SEPARATOR), data);
    }
    whole = overlaid(whole, layer);
  }
  if (bytes > bytesMax) {
    throw new DocumentError(`it has ${bytes} bytes, more than the ${bytesMax} allowed`);
  }
  checkDocument(whole);
  return whole;
}

/** @throws {DocumentError} */
function put(into: Properties, names: readonly string[], data: Buffer): void {
  const field = names.join('.');
  if (names.includes('') || names.includes('__proto__')) {
    throw new DocumentError(`the name "${field}" is not allowed`, field);
  }
  let text: string;
  try {
    text = textOf(data);
  } catch (error) {
    throw new DocumentError((error as Error).message, field);
  }
  let at = into;
  for (const name of names.slice(0, -1)) {
    if (!Object.hasOwn(at, name)) at[name] = {};
    const inner = at[name];
    if (typeof inner !== 'object') throw clash(field);
    at = inner;
  }
  const last = names.at(-1) ?? '';
  if (Object.hasOwn(at, last)) throw clash(field);
  at[last] = text;
}

function clash(field: string): DocumentError {
  return new DocumentError('there are two nodes for it, or one for a property inside of it', field);
}

function overlaid(below: Properties, above: Properties): Properties {
  const whole = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const before = Object.hasOwn(below, name) ? below[name] : undefined;
    whole[name] =
      typeof before === 'object' && typeof value === 'object' ? overlaid(before, value) : value;
  }
  return whole;
}
