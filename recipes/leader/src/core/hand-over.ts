import { nodeName } from '@aviary/foundation';
import {
  ConnectionLossError,
  NoNodeError,
  TransactionFailedError,
  type Transaction,
  type TransactionResult,
  type ZooKeeper,
} from '@aviary/client';
import { inOrder, pause, type Discipline, type TimeLimit } from '@aviary/coordination';
import { HandOverError } from './leader-errors.js';
import { QueueReader, type Participant } from './role-queue.js';
import { stepDownRequest } from './step-down.js';

/** So long somebody may be missing: who was sent to the end of the queue is not in it for a moment. */
const ABSENCE_MS_MAX = 5_000;
const LOOK_AGAIN_MS = 100;

/** A role that is handed over. */
export interface HandOverTerms {
  readonly zk: ZooKeeper;
  readonly path: string;
  readonly discipline: Discipline;
  /** Our node, if this process leads: it then steps down by itself, and is not asked. */
  readonly ownNode: () => string | null;
}

/** Whose turn it is after {@link clearTheWay}. */
export interface ClearedWay {
  readonly leader: Participant;
  readonly chosen: Participant;
}

/**
 * Makes `id` the next one to lead: those between the leader and it are sent to the end of the queue.
 *
 * All of it is one transaction that checks that the leader still stands, so none of those it sends
 * away can have become leader. Their nodes are deleted, and they make new ones: ours as Curator's,
 * whose latch and selector do so whenever they do not find theirs. Nobody overtakes: whoever leads
 * later has a younger node, so fencing tokens go on growing. A leader of another process is asked to
 * step down in the same transaction: ours then do, and Curator's, which cannot be asked, see nothing
 * of it. @see stepDownRequest
 *
 * @returns null: the chosen one leads already.
 * @throws {HandOverError} Nobody of that name takes part, for five seconds or the whole limit. And what the client's calls throw.
 */
export async function clearTheWay(
  terms: HandOverTerms,
  id: string,
  limit: TimeLimit,
): Promise<ClearedWay | null> {
  const { zk, path } = terms;
  const absentUntilMs = zk.clock.monotonicMs() + ABSENCE_MS_MAX;
  for (;;) {
    limit.assertLeft('transferTo', path);
    const participants = await participantsOf(terms, limit);
    const [leader] = participants;
    const chosen = participants.find((one) => one.id === id);
    if (leader === undefined || chosen === undefined) {
      if (zk.clock.monotonicMs() < absentUntilMs && limit.restMs > LOOK_AGAIN_MS) {
        await pause(zk.clock, LOOK_AGAIN_MS, limit.signal);
        continue;
      }
      const known = participants.map((one) => `"${one.id}"`).join(', ');
      const problem = `nobody called "${id}" takes part, but ${known === '' ? 'nobody' : known}`;
      throw new HandOverError(path, problem, 'notApplied');
    }
    if (leader === chosen) return null;
    const between = participants.slice(1, participants.indexOf(chosen));
    try {
      await commit(terms, { leader, chosen }, between, limit);
      return { leader, chosen };
    } catch (error) {
      // Somebody came, went, or was asked to step down, or nobody knows: look again. What was done
      // already is done no harm by being done twice.
      const { cause } = Object(error) as { cause?: unknown };
      const hasChanged = error instanceof TransactionFailedError && cause instanceof NoNodeError;
      if (!hasChanged && !(error instanceof ConnectionLossError)) throw error;
    }
    await zk.sync(path, limit.rest());
  }
}

/** Whether the chosen one leads; null: the leader still stands. */
export async function outcomeOf(
  { zk, path, discipline }: HandOverTerms,
  { leader, chosen }: ClearedWay,
  limit: TimeLimit,
): Promise<boolean | null> {
  const names = await childrenOf(zk, path, limit);
  const [first] = inOrder(names, discipline);
  if (first?.name === nodeName(chosen.nodePath)) return true;
  return first?.name === nodeName(leader.nodePath) ? null : false;
}

async function commit(
  { zk, path, ownNode }: HandOverTerms,
  { leader, chosen }: ClearedWay,
  between: readonly Participant[],
  limit: TimeLimit,
): Promise<void> {
  let transaction: Transaction<TransactionResult[]> = zk.transaction().check(leader.nodePath);
  transaction = transaction.check(chosen.nodePath);
  for (const { nodePath } of between) transaction = transaction.delete(nodePath);
  if (leader.nodePath !== ownNode()) {
    transaction = transaction.set(path, stepDownRequest(leader.nodePath));
  }
  await transaction.commit(limit.rest());
}

async function participantsOf(
  { zk, path, discipline }: HandOverTerms,
  limit: TimeLimit,
): Promise<readonly Participant[]> {
  const names = await childrenOf(zk, path, limit);
  const reader = new QueueReader(zk, path, discipline);
  return (await reader.read(names, limit.rest())).participants;
}

async function childrenOf(
  zk: ZooKeeper,
  path: string,
  limit: TimeLimit,
): Promise<readonly string[]> {
  try {
    return (await zk.children(path, limit.rest())).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}
