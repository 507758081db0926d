import { formatZxid, zxidCounter, type Disk, type Log, type Zxid } from '@aviary/foundation';
import type { DataFiles } from './data-files.js';
import { StorageError, TruncationError } from './errors.js';
import type { NamedFile } from './file-names.js';
import { cutLogs, planLogCut, type LogCut } from './log-cut.js';
import { LogReplay } from './log-replay.js';
import type { Recovered } from './recovery.js';
import type { RecoverySource, RecoveryTarget } from './recovery-target.js';
import { loadStartingState } from './starting-state.js';

/**
 * Cuts the history on the disk behind `zxid` and brings the state there into `target`.
 *
 * First everything that is going to stay is read, so that nothing is touched unless it suffices.
 *
 * @throws {TruncationError} There is no way back to `zxid`. Nothing was changed.
 * @throws {DiskError} Nothing but a new start may follow.
 */
export async function truncate(
  files: DataFiles,
  zxid: Zxid,
  target: RecoveryTarget,
  log: Log,
): Promise<Recovered> {
  const recovered = await recoverUpTo(files.disk, await files.source(), zxid, target, log);
  const { snapshotZxid: snapshot } = recovered;
  const newest = await files.newestZxid();
  await files.pending.begin({ kind: 'truncation', zxid, snapshot, newest });
  await finishTruncation(files, zxid, snapshot);
  await files.pending.end();
  return recovered;
}

/**
 * Makes a truncation that was begun. The snapshots that hold more go, too: ZooKeeper leaves those,
 * and with them comes back what was cut (ZOOKEEPER-1549). They go while there still are the logs
 * that explain what a fuzzy one holds.
 */
export async function finishTruncation(
  files: DataFiles,
  zxid: Zxid,
  snapshot: Zxid | null,
): Promise<void> {
  const { disk, logDirectory } = files;
  await files.removeSnapshots((file) => snapshot === null || file.zxid > snapshot);
  const plan = await planLogCut(disk, logDirectory, await files.logs(), zxid);
  await cutLogs(disk, logDirectory, endingNeatly(plan), files.mark);
}

async function recoverUpTo(
  disk: Disk,
  source: RecoverySource,
  zxid: Zxid,
  target: RecoveryTarget,
  log: Log,
): Promise<Recovered> {
  let snapshot: NamedFile | null;
  let replay: LogReplay;
  try {
    snapshot = await loadStartingState(disk, source, target, log, zxid);
    replay = new LogReplay(disk, source, target, snapshot?.zxid ?? 0);
    await replay.read(zxid);
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    throw impossible(source, zxid, cause.message, { cause });
  }
  if (replay.lastZxid !== zxid && !isStartOfLoggedEpoch(zxid, replay.beyond)) {
    const last = formatZxid(replay.lastZxid);
    throw impossible(source, zxid, `the last transaction before it on this disk is 0x${last}`);
  }
  return {
    lastZxid: replay.lastZxid,
    snapshotZxid: snapshot?.zxid ?? null,
    transactionsReplayed: replay.count,
    tornTail: null,
  };
}

/**
 * Whether `zxid` is the beginning of an epoch and the first transaction of that epoch comes next:
 * then everything before is the history with which the epoch began.
 */
function isStartOfLoggedEpoch(zxid: Zxid, next: Zxid | null): boolean {
  return zxidCounter(zxid) === 0 && next === zxid + 1;
}

function impossible(
  { logDirectory }: RecoverySource,
  zxid: Zxid,
  reason: string,
  options?: ErrorOptions,
): TruncationError {
  const sentence =
    `the history cannot be cut back to transaction 0x${formatZxid(zxid)}: ${reason}; ` +
    'this server needs a snapshot of the leader';
  return new TruncationError(logDirectory, null, sentence, options);
}

/** Behind the last transaction nothing stays: neither padding, nor what only later logs explained. */
function endingNeatly({ doomed, kept }: LogCut): LogCut {
  return {
    doomed,
    kept: kept.map((log, i) => (i === kept.length - 1 ? { ...log, isCut: true } : log)),
  };
}
