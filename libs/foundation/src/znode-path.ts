const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether ZooKeeper forbids this UTF-16 unit in a path. Surrogates are: no astral characters. */
function isForbiddenUnit(unit: number): boolean {
  return (
    unit <= 0x1f ||
    (unit >= 0x7f && unit <= 0x9f) ||
    (unit >= 0xd800 && unit <= 0xf8ff) ||
    (unit >= 0xfff0 && unit <= 0xffff)
  );
}

function describeUnit(unit: number): string {
  return `U+${unit.toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * Why `path` is not a path of a znode, in words for the person who wrote it; null if it is one.
 *
 * The rules are those of ZooKeeper's PathUtils.validatePath.
 */
export function pathProblem(path: string): string | null {
  if (typeof path !== 'string') return 'a path must be a string';
  if (path.length === 0) return 'a path must not be empty; the root is "/"';
  if (path.charCodeAt(0) !== SLASH) return `a path must start with "/": "${path}"`;
  if (path.length === 1) return null;
  if (path.charCodeAt(path.length - 1) === SLASH) return `a path must not end with "/": "${path}"`;
  let componentStart = 1;
  for (let at = 1; at <= path.length; at++) {
    const unit = at < path.length ? path.charCodeAt(at) : SLASH;
    if (unit === SLASH) {
      const component = path.slice(componentStart, at);
      if (component === '') return `a path must not have an empty component: "${path}"`;
      if (component === '.' || component === '..') {
        return `a path must not have a component "${component}": "${path}"`;
      }
      componentStart = at + 1;
    } else if (isForbiddenUnit(unit)) {
      return `a path must not have the character ${describeUnit(unit)} (at index ${at})`;
    }
  }
  return null;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Whether `bytes[start..end)` is the UTF-8 form of a valid path.
 *
 * Bytes that are not UTF-8 are refused, never replaced: two byte strings must not become one path.
 */
export function isValidPathBytes(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start || bytes[start] !== SLASH) return false;
  if (end === start + 1) return true;
  let componentStart = start + 1;
  for (let at = start + 1; at <= end; at++) {
    const byte = at < end ? bytes[at] : SLASH;
    if (byte === SLASH) {
      const length = at - componentStart;
      if (length === 0) return false;
      const isDots = bytes[componentStart] === DOT && bytes[at - 1] === DOT;
      if (isDots && length <= 2) return false;
      componentStart = at + 1;
    } else if (byte >= 0x80) {
      return isValidNonAsciiPath(bytes, start, end);
    } else if (byte <= 0x1f || byte === 0x7f) {
      return false;
    }
  }
  return true;
}

function isValidNonAsciiPath(bytes: Uint8Array, start: number, end: number): boolean {
  try {
    return pathProblem(strictUtf8.decode(bytes.subarray(start, end))) === null;
  } catch {
    // TextDecoder throws a TypeError at the first byte that is not UTF-8; there is no other cause.
    return false;
  }
}

/** The path of the parent; of a top-level node it is "/". The root has no parent: null. */
export function parentPath(path: string): string | null {
  if (path === '/') return null;
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}

/** The last component of a path; empty for the root. */
export function nodeName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `name` below `parent`, with exactly one slash between. */
export function childPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}
