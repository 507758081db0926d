import { NoNodeError, type CallOptions, type ZooKeeper } from '@aviary/client';
import { pause } from '@aviary/coordination';
import { itemsInOrder, type ItemName } from './item-names.js';
import { nullIfGone } from './null-if-gone.js';
import type { QueueTerms } from './queue-terms.js';
import { LEARNT_MS_MAX } from './server-time.js';

/** More items than this are reported once: everybody who looks lists them all. */
const ITEMS_ALARMING = 10_000;

/** A queue at one moment. */
export interface QueueLook {
  /** Those that nobody works on and that are due, in the order of delivery. */
  readonly free: readonly ItemName[];
  /** How long until the next one is due that is not; Infinity: there is none. */
  readonly nextInMs: number;
  /** Whether somebody works on some: if he dies, they are free again. */
  readonly hasClaimed: boolean;
}

/** Looks at the items and at the claims, in one round trip. */
export async function lookAt(terms: QueueTerms, options: CallOptions): Promise<QueueLook> {
  const { zk, path, lockPath } = terms;
  const [children, claims] = await Promise.all([
    namesIn(zk, path, options),
    namesIn(zk, lockPath, options),
  ]);
  return judge(terms, children, claims, options);
}

async function judge(
  { layout, time, log, path }: QueueTerms,
  children: readonly string[],
  claims: readonly string[],
  options: CallOptions,
): Promise<QueueLook> {
  if (children.length > ITEMS_ALARMING) {
    log.warn(`the queue ${path} has ${children.length} items: whoever looks lists them all`);
  }
  const claimed = new Set(claims);
  const items = itemsInOrder(layout, children);
  const isTimed = items.some(({ dueMs }) => dueMs !== null);
  const nowMs = isTimed ? (await time.now(options)).earliest : 0;
  const due = items.filter(({ dueMs }) => dueMs === null || dueMs <= nowMs);
  return {
    free: due.filter(({ name }) => !claimed.has(name)),
    nextInMs:
      (items.find(({ dueMs }) => dueMs !== null && dueMs > nowMs)?.dueMs ?? Infinity) - nowMs,
    hasClaimed: items.some(({ name }) => claimed.has(name)),
  };
}

/**
 * Waits until something changes in the queue, or there is something free.
 *
 * @param isWanted Whether a free item is one that the caller would take.
 * @param options Their signal ends the wait.
 */
export async function awaitChange(
  terms: QueueTerms,
  options: CallOptions & { readonly signal: AbortSignal },
  isWanted: (item: ItemName) => boolean,
): Promise<void> {
  const { zk, path, lockPath } = terms;
  const over = new AbortController();
  const end = (): void => over.abort();
  options.signal.addEventListener('abort', end, { once: true });
  if (options.signal.aborted) end();
  try {
    const watched = { ...options, signal: over.signal };
    const [items, claims] = await Promise.all([
      watchNames(zk, path, watched),
      watchNames(zk, lockPath, watched),
    ]);
    const look = await judge(terms, items.names, claims.names, watched);
    if (look.free.some(isWanted)) return;
    const waits: Promise<unknown>[] = [items.fired];
    // Nobody who is idle needs to hear of claims that come, but of one that goes without its item.
    if (look.hasClaimed) waits.push(claims.fired);
    else claims.cancel();
    if (look.nextInMs !== Infinity) {
      // Not longer than what is known of the time holds.
      waits.push(pause(zk.clock, Math.min(look.nextInMs, LEARNT_MS_MAX), over.signal));
    }
    await Promise.race(waits);
  } finally {
    options.signal.removeEventListener('abort', end);
    over.abort();
  }
}

/** The names in a directory. Directories are containers, and go when they are empty. */
async function namesIn(
  zk: ZooKeeper,
  path: string,
  options: CallOptions,
): Promise<readonly string[]> {
  return (await nullIfGone(zk.children(path, options)))?.children ?? [];
}

interface WatchedNames {
  readonly names: readonly string[];
  readonly fired: Promise<unknown>;
  cancel(): void;
}

/** The names in a directory, and when they change; of one that is missing, when it is made. */
async function watchNames(
  zk: ZooKeeper,
  path: string,
  options: CallOptions,
): Promise<WatchedNames> {
  for (;;) {
    try {
      const { children, watch } = await zk.childrenAndWatch(path, options);
      return { names: children, fired: watch.fired, cancel: () => watch.cancel() };
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
    }
    const { stat, watch } = await zk.existsAndWatch(path, options);
    if (stat === null) {
      return { names: [], fired: watch.fired, cancel: () => watch.cancel() };
    }
    watch.cancel();
  }
}
