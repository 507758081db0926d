import { isMissing, type Zxid } from '@aviary/foundation';
import type { DataFiles } from './data-files.js';
import { snapshotName, type NamedFile } from './file-names.js';
import { cutLogs, planLogCut } from './log-cut.js';
import { nameSnapshot, writeUnfinishedSnapshot, type SnapshotSource } from './snapshot-writer.js';

/**
 * Puts a snapshot that a leader has sent in the place of the history on the disk.
 *
 * @returns The bytes of the file.
 * @throws {DiskError} Nothing but a new start may follow: it finds the old history or the snapshot.
 */
export async function install(files: DataFiles, source: SnapshotSource): Promise<number> {
  const { disk, snapshotDirectory } = files;
  const { zxid } = source;
  const bytes = await writeUnfinishedSnapshot(disk, snapshotDirectory, source);
  // Or a power cut might leave the note without the snapshot.
  await disk.syncDirectory(snapshotDirectory);
  const newest = Math.max(await files.newestZxid(), zxid);
  await files.pending.begin({ kind: 'installation', zxid, newest });
  await finishInstallation(files, zxid);
  await files.pending.end();
  return bytes;
}

/**
 * Makes an installation that was begun. What the old history has behind the snapshot goes: it would
 * be replayed upon it. What it has before may stay and be purged, but is not connected any more.
 */
export async function finishInstallation(files: DataFiles, zxid: Zxid): Promise<void> {
  const { disk, snapshotDirectory, logDirectory } = files;
  await files.origin.write(zxid);
  const isOther = (file: NamedFile) => file.zxid === zxid && file.name !== snapshotName(zxid);
  await files.removeSnapshots((file) => file.zxid > zxid || isOther(file));
  const plan = await planLogCut(disk, logDirectory, await files.logs(), zxid);
  await cutLogs(disk, logDirectory, plan, files.mark);
  try {
    await nameSnapshot(disk, snapshotDirectory, zxid);
  } catch (error) {
    // It got its name, and the process died before that was noted.
    if (!isMissing(error)) throw error;
    await disk.syncDirectory(snapshotDirectory);
  }
}
