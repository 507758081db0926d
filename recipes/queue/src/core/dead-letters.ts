import {
  BadVersionError,
  NoNodeError,
  NotEmptyError,
  RequestTooLargeError,
  TransactionFailedError,
  type Transaction,
  type TransactionResult,
} from '@aviary/client';
import { childPath } from '@aviary/foundation';
import type { TimeLimit } from '@aviary/coordination';
import type { Claim, Settlement } from './claim.js';
import { itemNameOf, itemsInOrder, nameOfId, newItemName, type ItemName } from './item-names.js';
import { nullIfGone } from './null-if-gone.js';
import type { QueueTerms } from './queue-terms.js';

/** Below each dead letter: what became of it. */
export const ERROR_NAME = 'error';

/** Why an item is among the dead letters. */
export interface DeadLetterFacts {
  /** As in `Delivery.id`. */
  readonly id: string;
  /** The queue that it comes from. */
  readonly queue: string;
  /** Its node there. */
  readonly name: string;
  readonly attempts: number;
  /** What the last attempt ended with. */
  readonly error: string;
  /** Who made that attempt. */
  readonly consumer: string;
  /** When, by his clock: ISO 8601. */
  readonly at: string;
}

/** A dead letter, with what is known of it. */
export interface DeadLetter<T> {
  readonly id: string;
  /** Empty if they cannot be read: see {@link problem}. */
  readonly messages: readonly T[];
  /** Why its messages cannot be read; null: they can. */
  readonly problem: Error | null;
  /** null: nobody has written down what became of it. */
  readonly facts: DeadLetterFacts | null;
}

/** Longer texts are cut: a stack may be as long as it likes, a node may not. */
const ERROR_LENGTH_MAX = 4_000;
/** What an item that fills its node leaves room for. */
const ERROR_LENGTH_TIGHT = 100;

/**
 * Moves a claimed item to the dead letters, in one transaction: it is in one of the two places at any time.
 *
 * Its bytes stay as they are, and its id becomes a part of its name (the layout `id`), followed by the
 * number of the transaction that made it: so its name is new and known, and the error can stand below it.
 *
 * @param data What is left of it to be done.
 */
export async function bury(
  terms: QueueTerms,
  claim: Claim,
  facts: { readonly id: string; readonly data: Uint8Array; readonly error: unknown },
): Promise<Settlement> {
  const { deadPath, path, identity, zk, acl, log } = terms;
  const { id, data, error } = facts;
  const text = errorText(error);
  if (deadPath === null) {
    log.error(`the item ${claim.itemPath} is dropped after ${claim.attempt} attempts: ${text}`);
    return claim.done();
  }
  const sequence = String(claim.czxid).padStart(19, '0');
  const dead = childPath(deadPath, `queue-|${nameOfId(id)}|${sequence}`);
  const letter: DeadLetterFacts = {
    id,
    queue: path,
    name: claim.item.name,
    attempts: claim.attempt,
    error: text,
    consumer: identity,
    at: new Date(zk.clock.wallMs()).toISOString(),
  };
  log.warn(`the item ${claim.itemPath} goes to the dead letters: ${text}`, { letter });
  const move = (known: DeadLetterFacts | null): Promise<Settlement> =>
    claim.replace(
      (steps): Transaction<TransactionResult[]> => {
        const made = steps.create(dead, data, { acl });
        if (known === null) return made;
        return made.create(childPath(dead, ERROR_NAME), JSON.stringify(known), { acl });
      },
      () => zk.ensurePath(deadPath, { mode: 'container', acl, deadlineMs: Infinity }),
    );
  // Where both do not fit into one request the item goes first.
  const tight = { ...letter, error: text.slice(0, ERROR_LENGTH_TIGHT) };
  for (const known of [letter, tight]) {
    try {
      return await move(known);
    } catch (refusal) {
      if (!(refusal instanceof RequestTooLargeError)) throw refusal;
    }
  }
  return move(null);
}

/**
 * The dead letters of a queue, oldest first; at most `count`.
 *
 * @param read What the bytes of one mean.
 */
export async function deadLettersOf<T>(
  terms: QueueTerms,
  count: number,
  read: (data: Buffer, path: string) => readonly T[],
  limit: TimeLimit,
): Promise<DeadLetter<T>[]> {
  const found: DeadLetter<T>[] = [];
  for (const { name, path } of (await deadItems(terms, limit)).slice(0, count)) {
    const node = await nullIfGone(terms.zk.get(path, limit.rest()));
    if (node === null) continue;
    const facts = await readFacts(terms, path, limit);
    const id = name.id ?? '';
    try {
      const messages = read(node.data ?? Buffer.alloc(0), path);
      found.push({ id, messages, problem: null, facts });
    } catch (error) {
      const problem = error instanceof Error ? error : new Error(String(error));
      found.push({ id, messages: [], problem, facts });
    }
  }
  return found;
}

/**
 * Puts the dead letters with an id back into the queue, as new items, each in one transaction.
 * Returns how many. @throws of the client.
 */
export async function replayOf(terms: QueueTerms, id: string, limit: TimeLimit): Promise<number> {
  const { layout, path: queue, time } = terms;
  let replayed = 0;
  for (const { name, path } of await deadItems(terms, limit)) {
    if (name.id !== nameOfId(id)) continue;
    const facts = await readFacts(terms, path, limit);
    const priority = itemNameOf('priority', facts?.name ?? '')?.priority ?? 0;
    const dueMs = layout === 'delay' ? (await time.now(limit.rest())).earliest : 0;
    const fresh = childPath(queue, newItemName(layout, { id, dueMs, priority }));
    if (await resurrect(terms, path, fresh, limit)) replayed++;
  }
  return replayed;
}

async function deadItems(
  { zk, deadPath }: QueueTerms,
  limit: TimeLimit,
): Promise<readonly { readonly name: ItemName; readonly path: string }[]> {
  if (deadPath === null) return [];
  const found = await nullIfGone(zk.children(deadPath, limit.rest()));
  return itemsInOrder('id', found?.children ?? []).map((name) => ({
    name,
    path: childPath(deadPath, name.name),
  }));
}

/** What is known of a dead letter; null: nobody has written it down. */
async function readFacts(
  { zk }: QueueTerms,
  deadLetter: string,
  limit: TimeLimit,
): Promise<DeadLetterFacts | null> {
  const node = await nullIfGone(zk.get(childPath(deadLetter, ERROR_NAME), limit.rest()));
  try {
    const facts: unknown = JSON.parse(String(node?.data ?? null));
    return typeof facts === 'object' ? (facts as DeadLetterFacts | null) : null;
  } catch {
    return null;
  }
}

/** Makes a new item of a dead letter, with the same bytes. false: it is gone. */
async function resurrect(
  { zk, path, acl }: QueueTerms,
  deadLetter: string,
  fresh: string,
  limit: TimeLimit,
): Promise<boolean> {
  const settings = { mode: 'persistentSequential', acl } as const;
  for (;;) {
    const node = await nullIfGone(zk.get(deadLetter, limit.rest()));
    const below = await nullIfGone(zk.children(deadLetter, limit.rest()));
    if (node === null || below === null) return false;
    await zk.ensurePath(path, { mode: 'container', acl, ...limit.rest() });
    let steps: Transaction<TransactionResult[]> = zk
      .transaction()
      .create(fresh, node.data, settings);
    for (const child of below.children) steps = steps.delete(childPath(deadLetter, child));
    try {
      await steps.delete(deadLetter, { version: node.stat.version }).commit(limit.rest());
      return true;
    } catch (error) {
      // The directory may go as often as it is made, and others may be at work on the dead letter.
      const isChanged = error instanceof TransactionFailedError && isOutdated(error.cause);
      if (!isChanged) throw error;
    }
    limit.assertLeft('replay', deadLetter);
  }
}

function isOutdated(refusal: unknown): boolean {
  return (
    refusal instanceof NoNodeError ||
    refusal instanceof BadVersionError ||
    refusal instanceof NotEmptyError
  );
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, ERROR_LENGTH_MAX);
  const text = error.stack ?? String(error);
  // Not every engine begins the stack with the message.
  const whole = text.includes(error.message) ? text : `${String(error)}\n${text}`;
  return whole.slice(0, ERROR_LENGTH_MAX);
}
