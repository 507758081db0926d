import { childPath } from '@aviary/foundation';
import {
  BadVersionError,
  NoNodeError,
  NotEmptyError,
  TransactionFailedError,
  type CallOptions,
  type ZooKeeper,
} from '@aviary/client';
import { READY } from './members.js';

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
