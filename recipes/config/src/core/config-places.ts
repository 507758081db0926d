import { InvalidArgumentError, InvalidPathError } from '@aviary/client';
import { childPath, pathProblem } from '@aviary/foundation';

/**
 * Where a configuration and what is known about it stand. The records are not below the
 * configuration, since all that is there may be properties of it:
 *
 *     /config/pricing                                      the data
 *     /config-records/config%2Fpricing/history/v<n>-<id>-<seq>   a published version
 *     /config-records/config%2Fpricing/acks/<id>           what one instance took or rejected
 */
export interface ConfigPlaces {
  /** The path of the configuration. */
  readonly path: string;
  readonly history: string;
  readonly acks: string;
}

/** @throws {InvalidPathError} */
export function placesOf(
  path: unknown,
  { root, recordsRoot }: { readonly root: string; readonly recordsRoot: string },
): ConfigPlaces {
  const absolute = absolutePath(path, root);
  const isWithin = (inner: string, outer: string) => `${inner}/`.startsWith(`${outer}/`);
  if (isWithin(absolute, recordsRoot) || isWithin(recordsRoot, absolute)) {
    throw new InvalidPathError(
      `the configuration ${absolute}: ${recordsRoot} is where records of configurations are kept ` +
        '(recordsRoot), and no configuration can be there or above it',
    );
  }
  const records = childPath(recordsRoot, escapeName(absolute.slice(1)));
  const [history, acks] = [childPath(records, 'history'), childPath(records, 'acks')];
  return { path: absolute, history, acks };
}

/** The path of a configuration, or of a layer of one. @throws {InvalidPathError} */
export function absolutePath(path: unknown, root: string): string {
  if (typeof path !== 'string' || path === '') {
    throw new InvalidPathError('the path of a configuration must be a string, and not empty');
  }
  const absolute = path.startsWith('/') ? path : childPath(root, path);
  const problem = absolute === '/' ? 'the root cannot be one' : pathProblem(absolute);
  if (problem !== null) throw new InvalidPathError(`the path of a configuration: ${problem}`);
  return absolute;
}

/** A tree takes the place of all that is below its path. @throws {InvalidPathError} */
export function checkTreePath(path: string, root: string): void {
  if (!`${root}/`.startsWith(`${path}/`)) return;
  throw new InvalidPathError(
    `publish ${path}: all configurations stand there (root), and would give way to a tree that is ` +
      'published there: publish below it',
  );
}

/** @throws {InvalidPathError} @throws {InvalidArgumentError} */
export function checkRoots(root: string, recordsRoot: string): void {
  for (const [name, path] of Object.entries({ root, recordsRoot })) {
    const problem = typeof path === 'string' ? pathProblem(path) : 'a path must be a string';
    if (problem !== null) throw new InvalidPathError(`${name}: ${problem}`);
  }
  if (recordsRoot === '/') {
    throw new InvalidArgumentError('recordsRoot: it cannot be "/", below which the data are');
  }
}

/** One to one. */
function escapeName(path: string): string {
  return path.replaceAll('%', '%25').replaceAll('/', '%2F');
}
