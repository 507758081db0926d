import { NoNodeError, type Transaction, type TransactionResult } from '@aviary/client';
import { childPath } from '@aviary/foundation';
import type { TimeLimit } from '@aviary/coordination';
import type { Claim, Settlement } from './claim.js';
import { nameOfId } from './item-names.js';
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

/** Longer texts are cut: a stack may be as long as it likes, a node may not. */
const ERROR_LENGTH_MAX = 4_000;

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
  if (deadPath === null || deadPath === path) {
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
  return claim.replace(
    (steps): Transaction<TransactionResult[]> =>
      steps
        .create(dead, data, { acl })
        .create(childPath(dead, ERROR_NAME), JSON.stringify(letter), { acl }),
    () => zk.ensurePath(deadPath, { mode: 'container', acl, deadlineMs: Infinity }),
  );
}

/** What is known of a dead letter; null: nobody has written it down. */
export async function readFacts(
  { zk }: QueueTerms,
  deadLetter: string,
): Promise<DeadLetterFacts | null> {
  try {
    const { data } = await zk.get(childPath(deadLetter, ERROR_NAME));
    return JSON.parse(String(data)) as DeadLetterFacts;
  } catch (error) {
    if (error instanceof NoNodeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Makes a new item of a dead letter, in one transaction, with the same bytes. @throws of the client. */
export async function resurrect(
  { zk, path, acl }: QueueTerms,
  deadLetter: string,
  fresh: string,
  limit: TimeLimit,
): Promise<void> {
  const { data, stat } = await zk.get(deadLetter, limit.rest());
  const { children } = await zk.children(deadLetter, limit.rest());
  await zk.ensurePath(path, { mode: 'container', acl, ...limit.rest() });
  const settings = { mode: 'persistentSequential', acl } as const;
  let steps = zk.transaction().create(fresh, data, settings) as Transaction<TransactionResult[]>;
  for (const child of children) {
    steps = steps.delete(childPath(deadLetter, child));
  }
  await steps.delete(deadLetter, { version: stat.version }).commit(limit.rest());
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, ERROR_LENGTH_MAX);
  const text = error.stack ?? String(error);
  // Not every engine begins the stack with the message.
  const whole = text.includes(error.message) ? text : `${String(error)}\n${text}`;
  return whole.slice(0, ERROR_LENGTH_MAX);
}
