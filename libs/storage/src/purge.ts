import type { Disk } from '@aviary/foundation';
import { joinPath, logFiles, snapshotFiles } from './file-names.js';
import { looksWhole } from './snapshot-reader.js';

/** Fewer snapshots than this are never kept. */
export const SNAPSHOTS_KEPT_MIN = 3;

/**
 * Removes the snapshots and logs that recovery will not need: all but the newest `keep` whole
 * snapshots, and the logs that end before the oldest of those.
 *
 * @param keep Raised to {@link SNAPSHOTS_KEPT_MIN} if less.
 * @returns The names of what was removed. Fewer whole snapshots than `keep`: nothing.
 */
export async function purge(
  disk: Disk,
  snapshotDirectory: string,
  logDirectory: string,
  keep: number,
): Promise<string[]> {
  const snapshots = snapshotFiles(await disk.list(snapshotDirectory));
  let oldestKept: number | null = null;
  let kept = 0;
  for (const snapshot of [...snapshots].reverse()) {
    if (!(await looksWhole(disk, joinPath(snapshotDirectory, snapshot.name)))) continue;
    oldestKept = snapshot.zxid;
    if (++kept === Math.max(keep, SNAPSHOTS_KEPT_MIN)) break;
  }
  if (oldestKept === null || kept < Math.max(keep, SNAPSHOTS_KEPT_MIN)) return [];
  const limit = oldestKept;
  const logs = logFiles(await disk.list(logDirectory));
  // The last log that starts at or before the snapshot may go on behind it.
  const firstNeeded = logs.findLast(({ zxid }) => zxid <= limit)?.zxid ?? limit;
  const doomed = [
    ...snapshots.filter(({ zxid }) => zxid < limit).map(({ name }) => [snapshotDirectory, name]),
    ...logs.filter(({ zxid }) => zxid < firstNeeded).map(({ name }) => [logDirectory, name]),
  ] as [string, string][];
  for (const [directory, name] of doomed) await disk.remove(joinPath(directory, name));
  return doomed.map(([, name]) => name);
}
