import type { Log } from '@aviary/foundation';
import {
  AuthFailedError,
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  NoNodeError,
  SessionExpiredError,
  type ZooKeeper,
} from '@aviary/client';
import { pause } from '../retries/pause.js';

/** How long it takes until a deletion that a server refused is tried again. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/**
 * Deletes the node that a session made at `path`, whatever it takes, and nobody else's: the path has a
 * name of its own, and others may stand there by now. Resolves when it is gone or the session is
 * over; never rejects.
 */
export async function removeOwnNode(
  zk: ZooKeeper,
  path: string,
  sessionId: bigint,
  log: Log,
): Promise<void> {
  const options = { inSession: sessionId, deadlineMs: Infinity };
  let isDoubtful = false;
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
