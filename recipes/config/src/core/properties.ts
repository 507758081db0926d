import type { Stat } from '@aviary/client';
import type { TreeSnapshot } from '@aviary/coordination';
import { childPath, pathProblem } from '@aviary/foundation';
import { DocumentError } from './document-error.js';
import { checkDocument, textOf } from './document.js';
import { plainValue } from './plain-value.js';

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
  if (bytes > bytesMax) throw tooLong(bytes, bytesMax);
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
  return new DocumentError('it is there twice, or there is a property inside of it', field);
}

/** A tree of properties, as it is written and as it will be read. */
export interface PropertyNodes {
  /** The data of the nodes, by their paths below the root. */
  readonly leaves: ReadonlyMap<string, Buffer>;
  readonly document: unknown;
}

/**
 * The nodes of an object, whose texts, numbers and truth values become texts. Dots and slashes in its
 * names stand for objects.
 *
 * @throws {DocumentError} It would not be read back as properties, or is longer than `bytesMax`.
 */
export function encodeProperties(value: unknown, bytesMax: number): PropertyNodes {
  checkDocument(value);
  const plain = plainValue(value);
  if (!isGroup(plain)) {
    throw new DocumentError('a tree of properties must be an object of names and values');
  }
  const leaves = new Map<string, Buffer>();
  const document: Properties = {};
  const write = (group: object, above: readonly string[]): void => {
    for (const [name, inner] of Object.entries(group) as [string, unknown][]) {
      const names = [...above, ...name.split(SEPARATOR)];
      if (isGroup(inner)) {
        write(inner, names);
        continue;
      }
      const data = encodeProperty(inner, names);
      put(document, names, data);
      leaves.set(names.join('/'), data);
    }
  };
  write(plain, []);
  let bytes = 0;
  for (const data of leaves.values()) bytes += data.length;
  if (bytes > bytesMax) throw tooLong(bytes, bytesMax);
  checkDocument(document);
  return { leaves, document };
}

function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function encodeProperty(value: unknown, names: readonly string[]): Buffer {
  const field = names.join('.');
  const problem = pathProblem(`/${names.join('/')}`);
  if (problem !== null)
    throw new DocumentError(`it cannot be the name of a node: ${problem}`, field);
  const isFit =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (!isFit) {
    const what = value === null ? 'null' : 'a list';
    throw new DocumentError(
      `${what} cannot be a property: leave it out, or write it as text`,
      field,
    );
  }
  const text = String(value);
  if (text === '')
    throw new DocumentError('an empty text cannot be a property: leave it out', field);
  const data = Buffer.from(text);
  if (textOf(data) === text) return data;
  throw new DocumentError('it would not be read back as what it is', field);
}

function tooLong(bytes: number, bytesMax: number): DocumentError {
  return new DocumentError(`it has ${bytes} bytes, more than the ${bytesMax} allowed`);
}

/** The zxid of the last change of a tree: the same for everybody who reads the same. */
export function lastChange(stats: Iterable<Stat>): bigint {
  let last = 0n;
  for (const { mzxid, pzxid } of stats) {
    if (mzxid > last) last = mzxid;
    if (pzxid > last) last = pzxid;
  }
  return last;
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
