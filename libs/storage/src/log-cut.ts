import type { Disk, Zxid } from '@aviary/foundation';
import type { DurableMarkFile } from './durable-mark.js';
import { StorageError } from './errors.js';
import { joinPath, type NamedFile } from './file-names.js';
import { scanLog } from './log-scanner.js';
import { syncFile } from './whole-file.js';

/** A place in a log file: just behind a record. */
export interface LogPlace {
  readonly file: NamedFile;
  readonly offset: number;
}

/** What has to go so that no log holds a transaction behind some zxid. */
export interface LogCut {
  /** Files of which nothing stays, oldest first. */
  readonly doomed: readonly NamedFile[];
  /** Where the others end that hold more, oldest first. */
  readonly shortened: readonly LogPlace[];
  /** The end of the last transaction that stays; null: none does. */
  readonly newest: LogPlace | null;
}

/** Finds out what has to go so that nothing behind `zxid` is in `logs`. Changes nothing. */
export async function planLogCut(
  disk: Disk,
  directory: string,
  logs: readonly NamedFile[],
  zxid: Zxid,
): Promise<LogCut> {
  const doomed: NamedFile[] = [];
  const shortened: LogPlace[] = [];
  let newest: LogPlace | null = null;
  for (const file of logs) {
    const end = file.zxid > zxid ? null : await scanUpTo(disk, directory, file, zxid);
    if (end === null) {
      doomed.push(file);
    } else if (end !== 'unreadable') {
      const place = { file, offset: end.offset };
      if (end.holdsMore) shortened.push(place);
      newest = place;
    }
  }
  return { doomed, shortened, newest };
}

/** Where the records up to `zxid` end; null: the file holds later ones only, or none. */
async function scanUpTo(
  disk: Disk,
  directory: string,
  file: NamedFile,
  zxid: Zxid,
): Promise<{ readonly offset: number; readonly holdsMore: boolean } | 'unreadable' | null> {
  try {
    const end = await scanLog(disk, joinPath(directory, file.name), () => undefined, zxid);
    if (end.lastZxid === null) return null;
    return { offset: end.offset, holdsMore: end.why === 'beyond' };
  } catch (error) {
    // What is no log brings nothing back. Where it is needed, recovery refuses it.
    if (error instanceof StorageError) return 'unreadable';
    throw error;
  }
}

/**
 * Does what was planned. At whatever operation a crash ends it, the logs hold a history without a
 * hole, so that ZooKeeper, which looks for none, finds one: at first all of it, in the end no more
 * than was planned.
 */
export async function cutLogs(
  disk: Disk,
  directory: string,
  { doomed, shortened, newest }: LogCut,
  mark: DurableMarkFile,
): Promise<void> {
  // The mark is to be true: what stays may have been left by a server that waits for no sync.
  if (newest !== null) await syncFile(disk, joinPath(directory, newest.file.name));
  // Set back first of all, or recovery takes what is going to go for a loss.
  await mark.setBack(newest === null ? null : { log: newest.file.zxid, offset: newest.offset });
  // From the end, each durable before the next: a power cut must not leave a hole.
  for (const { name } of [...doomed].reverse()) {
    await disk.remove(joinPath(directory, name));
    await disk.syncDirectory(directory);
  }
  for (const { file, offset } of [...shortened].reverse()) {
    await cutFile(disk, joinPath(directory, file.name), offset);
  }
}

async function cutFile(disk: Disk, path: string, offset: number): Promise<void> {
  const file = await disk.open(path, 'write');
  try {
    await file.truncate(offset);
    await file.sync();
  } finally {
    await file.close();
  }
}
