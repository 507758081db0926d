import { childPath } from '@aviary/foundation';
import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  NotEmptyError,
  SessionExpiredError,
  TransactionFailedError,
  type CallOptions,
  type ZooKeeper,
} from '@aviary/client';
import { READY, membersAmong } from './members.js';

/** Where a count of 32 bits comes through after 2^32 - 1 rounds. Servers take it for any version. */
const ANY_VERSION = -1;

/** For what nobody waits for. */
const FOREVER: CallOptions = { deadlineMs: Infinity };

/**
 * Deletes the `ready` that a round left behind: all its members are gone, and the last of them had
 * no time to. `version` is that of the directory, as it was when nobody was inside. Every round
 * that we open counts it up in the same transaction, so a `ready` of a later round is never taken
 * for this one.
 */
export async function removeStaleReady(
  zk: ZooKeeper,
  path: string,
  version: number,
  options: CallOptions,
): Promise<void> {
  if (version === ANY_VERSION) {
    // Nothing is compared with it. Written to, the directory has another one at the next look.
    await zk.set(path, '', options);
    return;
  }
  try {
    await zk.transaction().check(path, { version }).delete(childPath(path, READY)).commit(options);
  } catch (error) {
    // Somebody else was quicker; the next look at the directory says how it stands.
    const cause = error instanceof TransactionFailedError ? error.cause : error;
    const isOver =
      cause instanceof BadVersionError ||
      cause instanceof NoNodeError ||
      cause instanceof NotEmptyError;
    if (!isOver) throw error;
  }
}

/**
 * Deletes `ready`, if nobody is inside any more: as soon as there is a connection, until the client
 * ends. Never rejects: what cannot be deleted opens nothing, and goes when somebody enters.
 */
export async function sweepReady(zk: ZooKeeper, path: string): Promise<void> {
  for (;;) {
    try {
      const { children, stat } = await zk.children(path, FOREVER);
      if (!children.includes(READY) || membersAmong(children).length > 0) return;
      await removeStaleReady(zk, path, stat.version, FOREVER);
    } catch (error) {
      const mayPass = error instanceof ConnectionLossError || error instanceof SessionExpiredError;
      if (!mayPass) return;
    }
  }
}
