/**
 * What stands behind the marker of a name: the parent's counter as ZooKeeper's servers print it,
 * a signed 32-bit number in at least ten characters. It becomes negative after 2^31 - 1.
 */
const SEQUENCE = '(\\d{10}|-\\d{9,10})$';

/**
 * A contender for this lock: `_c_<uuid>-lock-<seq>` (Curator, ours), the same with 32 hex digits
 * (go-zookeeper), `<hex>-lock-<seq>` (kazoo told to). Curator sorts by what follows `lock-`, and so
 * do we.
 */
const CONTENDER = new RegExp(`lock-${SEQUENCE}`);

/** Contenders of other recipes, which do not see ours: both would hold at once. */
const FOREIGN: readonly (readonly [string, RegExp])[] = [
  ["kazoo's Lock", new RegExp(`__lock__${SEQUENCE}`)],
  ["kazoo's ReadLock", new RegExp(`__rlock__${SEQUENCE}`)],
  ["Curator's InterProcessReadWriteLock", new RegExp(`__(?:READ|WRIT)__${SEQUENCE}`)],
  ["Curator's LeaderLatch", new RegExp(`latch-${SEQUENCE}`)],
  ["Curator's semaphore lease", new RegExp(`lease-${SEQUENCE}`)],
  ["ZooKeeper's WriteLock", new RegExp(`^x-\\d+-${SEQUENCE}`)],
];

/** The last part of every contender's name, before the number. */
export const CONTENDER_NAME = 'lock-';

/** The sequence number of a contender for this lock; null: the node is none. */
export function sequenceOf(name: string): number | null {
  const digits = CONTENDER.exec(name)?.[1];
  // More than 32 bits is nobody's counter; wrapping it keeps the order total all the same.
  return digits === undefined ? null : Number(digits) | 0;
}

/** Which other recipe's contender `name` is, for people; null: none that is known. */
export function foreignRecipe(name: string): string | null {
  // Contenders are common and the others rare: one look for most names.
  if (CONTENDER.test(name)) return null;
  return FOREIGN.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
}

/** Whether a node of this name could be taken for a contender, of this recipe or of another. */
export function looksLikeContender(name: string): boolean {
  return CONTENDER.test(name) || foreignRecipe(name) !== null;
}

/**
 * How far `sequence` stands behind `base`; negative: before it. The counter wraps at 32 bits, so the
 * distance counts and not the number: -2147483648 comes right after 2147483647.
 */
export function sequenceDistance(base: number, sequence: number): number {
  return (sequence - base) | 0;
}
