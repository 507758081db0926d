/**
 * What a contender's name says between the id of its maker and its number: which recipe it belongs
 * to, and in which part. Those of Curator and ours, then kazoo's, then ZooKeeper's own example.
 */
export type Marker =
  'lock-' | 'latch-' | 'lease-' | '__READ__' | '__WRIT__' | '__lock__' | '__rlock__' | 'x-';

/** A node whose name is a contender's, of whatever recipe. */
export interface Contender {
  readonly name: string;
  readonly marker: Marker;
  /** The parent's counter when it was made: a signed 32-bit number. */
  readonly sequence: number;
}

/** Whose contenders they are, for people. */
const RECIPES: Readonly<Record<Marker, string>> = {
  'lock-': "Curator's InterProcessMutex",
  'latch-': "Curator's LeaderLatch",
  'lease-': "Curator's semaphore lease",
  __READ__: "Curator's InterProcessReadWriteLock",
  __WRIT__: "Curator's InterProcessReadWriteLock",
  __lock__: "kazoo's Lock",
  __rlock__: "kazoo's ReadLock",
  'x-': "ZooKeeper's WriteLock",
};

/**
 * A marker, and behind it the parent's counter as ZooKeeper's servers print it: a signed 32-bit
 * number in at least ten characters. It becomes negative after 2^31 - 1.
 *
 * Before the marker stands `_c_<uuid>-` (Curator, ours), the same with 32 hex digits (go-zookeeper),
 * or the bare digits (kazoo). Curator sorts by what follows the marker, and so do we.
 */
const CONTENDER =
  /(lock-|latch-|lease-|__READ__|__WRIT__|__lock__|__rlock__|^x-(?=\d+-))(?:(?<=^x-)\d+-)?(\d{10}|-\d{9,10})$/;

/** What `name` says of the contender; null: it is none. */
export function contenderOf(name: string): Contender | null {
  const match = CONTENDER.exec(name);
  if (match === null) return null;
  const [, marker, digits] = match;
  // More than 32 bits is nobody's counter; wrapping it keeps the order total all the same.
  return { name, marker: marker as Marker, sequence: Number(digits) | 0 };
}

/** Whose contenders bear `marker`, for people. */
export function recipeOf(marker: Marker): string {
  return RECIPES[marker];
}

/**
 * How far `sequence` stands behind `base`; negative: before it. The counter wraps at 32 bits, so the
 * distance counts and not the number: -2147483648 comes right after 2147483647.
 */
export function sequenceDistance(base: number, sequence: number): number {
  return (sequence - base) | 0;
}
