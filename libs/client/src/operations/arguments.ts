import { pathProblem } from '@aviary/foundation';
import { CreateMode, TTL_MS_MAX, isSequential, isTtl, type Acl } from '@aviary/protocol';
import { InvalidArgumentError, InvalidPathError, RequestTooLargeError } from '../errors.js';

/** Data to write. Text is written as UTF-8; null is a value of its own, different from empty. */
export type NodeInput = Uint8Array | string | null;

/** The seven kinds of nodes, by ZooKeeper's names. */
export type NodeMode = keyof typeof CreateMode;

type TtlMode = 'persistentWithTtl' | 'persistentSequentialWithTtl';

/** What to create, beside path and data. */
export type CreateSettings = {
  /** Who may do what. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
} & (
  | { readonly mode?: Exclude<NodeMode, TtlMode> | undefined; readonly ttlMs?: undefined }
  /** `ttlMs`: a node without children goes this long after its last change. */
  | { readonly mode: TtlMode; readonly ttlMs: number }
);

/** A change that is refused unless the node has this version. */
export interface VersionCondition {
  /** The version that the node must have. Unset: any. */
  readonly version?: number | undefined;
}

const EMPTY = new Uint8Array(0);
const ANY_VERSION = -1;

/** @throws {InvalidPathError} */
export function checkPath(path: string, operation: string): void {
  const problem = typeof path === 'string' ? pathProblem(path) : 'a path must be a string';
  if (problem !== null) throw new InvalidPathError(`${operation}: ${problem}`, { operation });
}

/** The bytes to send, in memory that the caller cannot change afterwards. */
export function bytesOf(
  data: NodeInput | undefined,
  where: { readonly operation: string; readonly path: string; readonly bytesMax: number },
): Uint8Array | null {
  if (data === undefined) return EMPTY;
  if (data === null) return null;
  const { operation, path, bytesMax } = where;
  const isText = typeof data === 'string';
  if (!isText && !(data instanceof Uint8Array)) {
    const message = `${operation} ${path}: data must be a string, a Uint8Array or null`;
    throw new InvalidArgumentError(message, { operation, path });
  }
  const bytes = isText ? Buffer.from(data) : Uint8Array.prototype.slice.call(data);
  if (bytes.length > bytesMax) {
    const message =
      `${operation} ${path}: ${bytes.length} bytes of data do not fit into a request of ` +
      `${bytesMax} bytes (frameBytesMax, jute.maxbuffer on the server)`;
    throw new RequestTooLargeError(message, { outcome: 'notApplied', operation, path });
  }
  return bytes;
}

/**
 * Versions are counted with 32 bits and become negative after 2^31 changes. They are compared like
 * others, but for -1.
 *
 * @throws {InvalidArgumentError} -1 would silently mean "any".
 */
export function versionOf(condition: VersionCondition, operation: string, path: string): number {
  const { version } = condition;
  if (version === undefined) return ANY_VERSION;
  if (version !== ANY_VERSION && (version | 0) === version) return version;
  const message =
    `${operation} ${path}: version ${version} is not a version to compare with; ` +
    'leave it out to match any';
  throw new InvalidArgumentError(message, { operation, path });
}

/** @throws {InvalidArgumentError} */
export function aclOf(acl: readonly Acl[], operation: string, path: string): readonly Acl[] {
  if (!isAcl(acl)) {
    const message = `${operation} ${path}: an ACL must be a list of { perms, id: { scheme, id } }`;
    throw new InvalidArgumentError(message, { operation, path });
  }
  if (acl.length === 0) {
    const message = `${operation} ${path}: an ACL must have an entry; OPEN_ACL allows everything`;
    throw new InvalidArgumentError(message, { operation, path });
  }
  return acl.map(({ perms, id }) => ({ perms, id: { ...id } }));
}

/** Callers without types can pass anything. */
function isAcl(given: unknown): boolean {
  if (!Array.isArray(given)) return false;
  return given.every((entry: Partial<Acl> | null | undefined) => {
    const { perms, id } = entry ?? {};
    const { scheme, id: name } = id ?? {};
    return Number.isInteger(perms) && typeof scheme === 'string' && typeof name === 'string';
  });
}

/** Mode and time to live, checked against each other. @throws {InvalidArgumentError} */
export function kindOf(
  settings: CreateSettings,
  operation: string,
  path: string,
): { readonly mode: CreateMode; readonly ttlMs: number } {
  const complain = (text: string) =>
    new InvalidArgumentError(`${operation} ${path}: ${text}`, { operation, path });
  const name = settings.mode ?? 'persistent';
  // Callers without types can pass anything.
  const mode = CreateMode[name] as CreateMode | undefined;
  if (mode === undefined) {
    throw complain(`mode "${name}" is none of ${Object.keys(CreateMode).join(', ')}`);
  }
  const { ttlMs } = settings;
  if (!isTtl(mode)) {
    if (ttlMs !== undefined) throw complain(`ttlMs is for the TTL modes, not for "${name}"`);
    return { mode, ttlMs: 0 };
  }
  if (ttlMs === undefined || !Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > TTL_MS_MAX) {
    throw complain(`ttlMs must be a whole number from 1 to ${TTL_MS_MAX}, not ${ttlMs ?? 'unset'}`);
  }
  return { mode, ttlMs };
}

/** A path to create: a sequential one may end with a slash, its name is then the number alone. */
export function checkCreatePath(path: string, mode: CreateMode, operation: string): void {
  const whole = isSequential(mode) && typeof path === 'string' ? `${path}0` : path;
  checkPath(whole, operation);
}
