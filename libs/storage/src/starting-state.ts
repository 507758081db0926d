import { DiskError, formatZxid, type Disk, type Log, type Zxid } from '@aviary/foundation';
import { StorageError } from './errors.js';
import { joinPath, type NamedFile } from './file-names.js';
import { scanLog } from './log-scanner.js';
import type { RecoverySource, RecoveryTarget } from './recovery-target.js';
import { looksWhole, readSnapshot, type SnapshotSections } from './snapshot-reader.js';
import { syncFile } from './whole-file.js';

/** No more snapshots than this are tried, the newest first. */
const SNAPSHOTS_TRIED_MAX = 100;

/**
 * Loads what the logs are replayed upon: the newest snapshot that is whole, or a fresh state where
 * the log goes back to the first transaction.
 *
 * @param upTo Snapshots with anything behind this zxid are not used. Default: all are.
 * @returns The snapshot; null: there is none.
 * @throws {StorageError} There is neither a snapshot nor a log from the first transaction on.
 */
export async function loadStartingState(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
  upTo: Zxid = Infinity,
): Promise<NamedFile | null> {
  const usable = { ...source, snapshots: source.snapshots.filter(({ zxid }) => zxid <= upTo) };
  const snapshot = await loadNewestSnapshot(disk, usable, target, log, upTo);
  if (snapshot === null) await beginWithoutSnapshot(disk, usable, target, log);
  return snapshot;
}

async function loadNewestSnapshot(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
  upTo: Zxid,
): Promise<NamedFile | null> {
  for (const snapshot of source.snapshots.slice(-SNAPSHOTS_TRIED_MAX).reverse()) {
    const path = joinPath(source.snapshotDirectory, snapshot.name);
    try {
      if (!(await looksWhole(disk, path))) {
        log.warn(`Snapshot ${path} is not whole; an older one is used.`);
        continue;
      }
      const sections = await readSnapshot(disk, path, target.beginSnapshot());
      if (lastZxidIn(sections) > upTo) {
        log.warn(`Snapshot ${path} goes beyond 0x${formatZxid(upTo)}; an older one is used.`);
        continue;
      }
      target.endSnapshot(snapshot.zxid, sections);
      // The server that wrote it may not have waited for the disk.
      await syncFile(disk, path);
      return snapshot;
    } catch (error) {
      // Sectors that cannot be read are as good as damaged ones. The logs prove that nothing is lost.
      if (!(error instanceof StorageError || error instanceof DiskError)) throw error;
      log.warn(`${error.message}; an older snapshot is used.`);
    }
  }
  return null;
}

/** The last transaction of which a snapshot says that it holds it; 0: it says nothing. */
function lastZxidIn({ digest, lastZxid }: SnapshotSections): Zxid {
  return Math.max(digest?.zxid ?? 0, lastZxid ?? 0);
}

/** A log that goes back to the first transaction needs no snapshot; nothing else can do without. */
async function beginWithoutSnapshot(
  disk: Disk,
  source: RecoverySource,
  target: RecoveryTarget,
  log: Log,
): Promise<void> {
  const first = await firstTransaction(disk, source);
  const newest = source.snapshots.at(-1);
  if (first !== null && first !== 1) {
    const { snapshotDirectory } = source;
    throw new StorageError(
      newest === undefined ? snapshotDirectory : joinPath(snapshotDirectory, newest.name),
      null,
      `no snapshot can be read, and the log starts at transaction 0x${formatZxid(first)}: restore a ` +
        'snapshot of this server, or start it with an empty data directory to lose what it held',
    );
  }
  if (first === null && newest !== undefined) {
    throw new StorageError(
      joinPath(source.snapshotDirectory, newest.name),
      null,
      'no snapshot can be read and there is no log: restore a snapshot of this server, or start it ' +
        'with an empty data directory to lose what it held',
    );
  }
  if (first !== null)
    log.warn('There is no snapshot; the log is replayed from the first transaction.');
  target.beginFresh();
}

async function firstTransaction(disk: Disk, source: RecoverySource): Promise<Zxid | null> {
  for (const { name } of source.logs) {
    const end = await scanLog(disk, joinPath(source.logDirectory, name), () => undefined);
    if (end.firstZxid !== null) return end.firstZxid;
  }
  return null;
}
