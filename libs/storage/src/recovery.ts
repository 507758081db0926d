import type { Disk, Log, Zxid } from '@aviary/foundation';
import { LogReplay } from './log-replay.js';
import type { TornTail } from './log-tail.js';
import type { RecoverySource, RecoveryTarget } from './recovery-target.js';
import { loadStartingState } from './starting-state.js';

/** What was recovered. */
export interface Recovered {
  /** Of the last transaction; 0 for a new ensemble. */
  readonly lastZxid: Zxid;
  /** In the name of the snapshot that was used; null if there was none. */
  readonly snapshotZxid: Zxid | null;
  readonly transactionsReplayed: number;
  /** What was cut from the end of the newest log; null if nothing was. */
  readonly tornTail: TornTail | null;
}

/**
 * Brings back the state before the last stop: the newest good snapshot, then every transaction
 * logged after it.
 *
 * @throws {StorageError} Something is damaged or missing that may have been acknowledged. Nothing
 * was changed.
 */
export async function recover(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
): Promise<Recovered> {
  const snapshot = await loadStartingState(disk, source, target, log);
  const replay = new LogReplay(disk, source, target, snapshot?.zxid ?? 0);
  await replay.read();
  const tornTail = await replay.settleTails(log);
  return {
    lastZxid: replay.lastZxid,
    snapshotZxid: snapshot?.zxid ?? null,
    transactionsReplayed: replay.count,
    tornTail,
  };
}
