import type { Log } from '@aviary/foundation';
import {
  AuthFailedError,
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  NoNodeError,
  NotEmptyError,
  SessionExpiredError,
  TransactionFailedError,
  type NodeData,
  type ZooKeeper,
} from '@aviary/client';
import { pause } from '../retries/pause.js';

/** How long it takes until a deletion that a server refused is tried again. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/** Whose node is to go. */
export interface OwnNodeFacts {
  readonly sessionId: bigint;
  /** A create or delete of it was not answered, so a server that lags behind may show the contrary. */
  readonly isDoubtful: boolean;
}

/**
 * Deletes the node that a session made at `path`, whatever it takes, and nobody else's: the path has a
 * name of its own, and others may stand there by now. Resolves when it is gone or the session is
 * over; never rejects.
 */
export async function removeOwnNode(
  zk: ZooKeeper,
  path: string,
  { sessionId, isDoubtful: isDoubtfulAtFirst }: OwnNodeFacts,
  log: Log,
): Promise<void> {
  const options = { inSession: sessionId, deadlineMs: Infinity };
  let isDoubtful = isDoubtfulAtFirst;
  for (let pauseMs = PAUSE_MS; ;) {
    try {
      // A server that lags behind still shows a node that is gone, where a successor's may stand.
      const caughtUp = isDoubtful ? zk.sync(path, options) : null;
      const [stat] = await Promise.all([zk.exists(path, options), caughtUp]);
      if (stat?.ephemeralOwner !== sessionId) return;
      await zk.delete(path, { version: stat.version, ...options });
      return;
    } catch (error) {
      if (error instanceof NoNodeError || error instanceof SessionExpiredError) return;
      if (error instanceof ClosedError || error instanceof AuthFailedError) return;
      isDoubtful ||= error instanceof ConnectionLossError;
      if (error instanceof ConnectionLossError || error instanceof BadVersionError) continue;
      log.error(`the node ${path} cannot be deleted, so others go on seeing it`, { error });
    }
    await pause(zk.clock, pauseMs);
    pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
  }
}

/** A node with a time to live, by the child that says whose it is. */
export interface TouchedNode {
  readonly path: string;
  readonly touchPath: string;
  /** Of the node that was seen to be ours; null: none was. */
  readonly czxid: bigint | null;
  readonly isOurs: (touch: NodeData) => boolean;
}

/**
 * Deletes a node with its touch, whatever it takes, if the touch says that it is ours. Resolves
 * when it is gone, or the client is closed: then it goes with its time to live. Never rejects.
 */
export async function removeTouchedNode(
  zk: ZooKeeper,
  { path, touchPath, czxid, isOurs }: TouchedNode,
  log: Log,
): Promise<void> {
  const options = { deadlineMs: Infinity };
  for (let pauseMs = PAUSE_MS; ;) {
    try {
      // What was sent last may not be answered, and in another session.
      const caughtUp = zk.sync(path, options);
      const [node, touch] = await Promise.all([
        zk.exists(path, options),
        zk.get(touchPath, options).catch(nullIfGone),
        caughtUp,
      ]);
      if (touch !== null && isOurs(touch)) {
        await zk.transaction().delete(touchPath, touch.stat).delete(path).commit(options);
      } else if (touch === null && node !== null && node.czxid === czxid) {
        // Its time passed, and the servers have only come to its child yet.
        await zk.delete(path, { version: node.version, ...options });
      }
      return;
    } catch (thrown) {
      const error = thrown instanceof TransactionFailedError ? thrown.cause : thrown;
      if (error instanceof ClosedError || error instanceof AuthFailedError) return;
      const isPassing = [ConnectionLossError, SessionExpiredError, BadVersionError, NoNodeError];
      if (isPassing.some((ErrorClass) => error instanceof ErrorClass)) continue;
      log.error(`the node ${path} cannot be deleted; it goes with its time to live`, { error });
      if (error instanceof NotEmptyError) return;
    }
    await pause(zk.clock, pauseMs);
    pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
  }
}

export function nullIfGone(error: unknown): null {
  if (error instanceof NoNodeError) return null;
  throw error;
}

/** Resolves when there is no connection. */
export function whenDisconnected(zk: ZooKeeper): { happened: Promise<void>; stop: () => void } {
  let stop = (): void => undefined;
  const happened = new Promise<void>((resolve) => {
    const subscription = zk.state$.subscribe({
      next: ({ kind }) => {
        if (kind !== 'connected' && kind !== 'reconnected') resolve();
      },
      complete: resolve,
    });
    stop = () => subscription.unsubscribe();
  });
  return { happened, stop };
}
