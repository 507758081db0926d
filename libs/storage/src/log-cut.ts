import type { Disk, Zxid } from '@aviary/foundation';
import type { DurableMarkFile } from './durable-mark.js';
import { StorageError } from './errors.js';
import { joinPath, type NamedFile } from './file-names.js';
import { scanLog } from './log-scanner.js';
import { syncFile } from './whole-file.js';

/** A log of which something stays. */
export interface KeptLog {
  readonly file: NamedFile;
  /** Just behind the last record that stays. */
  readonly offset: number;
  /** Whether what stands there has to go. */
  readonly isCut: boolean;
}

/** What has to be done so that no log holds a transaction behind some zxid. Oldest files first. */
export interface LogCut {
  /** Files of which nothing stays. */
  readonly doomed: readonly NamedFile[];
  readonly kept: readonly KeptLog[];
}

/** Finds out what has to go so that nothing behind `zxid` is in `logs`. Changes nothing. */
export async function planLogCut(
  disk: Disk,
  directory: string,
  logs: readonly NamedFile[],
  zxid: Zxid,
): Promise<LogCut> {
  const doomed: NamedFile[] = [];
  const kept: KeptLog[] = [];
  for (const file of logs) {
    const end = file.zxid > zxid ? 'empty' : await endUpTo(disk, directory, file, zxid);
    if (end === 'empty') doomed.push(file);
    else if (end !== 'unreadable') kept.push(end);
  }
  return { doomed, kept };
}

/** What of a log stays. */
async function endUpTo(
  disk: Disk,
  directory: string,
  file: NamedFile,
  zxid: Zxid,
): Promise<KeptLog | 'empty' | 'unreadable'> {
  try {
    const path = joinPath(directory, file.name);
    const { lastZxid, offset, why } = await scanLog(disk, path, () => undefined, zxid);
    return lastZxid === null ? 'empty' : { file, offset, isCut: why === 'beyond' };
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
  { doomed, kept }: LogCut,
  mark: DurableMarkFile,
): Promise<void> {
  // A server that waits for no sync may have left them, or a process that was killed had cut them.
  for (const { file } of kept) await syncFile(disk, joinPath(directory, file.name));
  // Set back before anything goes, or recovery takes it for a loss.
  const newest = kept.at(-1);
  await mark.setBack(newest ? { log: newest.file.zxid, offset: newest.offset } : null);
  // From the end, each durable before the next: a power cut must not leave a hole.
  for (const { name } of [...doomed].reverse()) {
    await disk.remove(joinPath(directory, name));
    await disk.syncDirectory(directory);
  }
  for (const { file, isCut, offset } of [...kept].reverse()) {
    if (isCut) await cutFile(disk, joinPath(directory, file.name), offset);
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
