import { CURRENT_EPOCH_NAME, ATOMIC_SUFFIX, UPDATING_EPOCH_NAME } from './epoch-files.js';
import type { DataFiles } from './data-files.js';
import { DURABLE_MARK_NAME } from './durable-mark.js';
import { UNFINISHED_PREFIX, joinPath, logFiles, snapshotFiles } from './file-names.js';
import { HISTORY_ORIGIN_NAME } from './history-origin.js';

/** What is put aside goes into directories with such names; the number is theirs alone. */
const ASIDE_PREFIX = 'damaged-';

/** What goes with the history, beside its snapshots and logs. */
const NOTES: readonly string[] = [
  CURRENT_EPOCH_NAME,
  CURRENT_EPOCH_NAME + ATOMIC_SUFFIX,
  UPDATING_EPOCH_NAME,
  DURABLE_MARK_NAME,
  HISTORY_ORIGIN_NAME,
];

/**
 * Puts the whole history aside, and leaves what was promised: `acceptedEpoch`.
 *
 * @returns The directories in which it now is; none, if there was none.
 * @throws {DiskError} Nothing but a new start may follow; it goes on where this ended.
 */
export async function setAside(files: DataFiles): Promise<string[]> {
  const { directories, disk, pending, rejoin } = files;
  // First of all: whoever has lost what it may have acknowledged must not vote.
  await rejoin.begin();
  let number = 1;
  const filled: string[] = [];
  for (const directory of directories) {
    const names = await disk.list(directory);
    for (const name of names) number = Math.max(number, numberOf(name) + 1);
    if (historyAmong(names).length > 0) filled.push(directory);
  }
  await pending.begin({ kind: 'settingAside', number });
  await finishSettingAside(files, number);
  await pending.end();
  return filled.map((directory) => joinPath(directory, ASIDE_PREFIX + String(number)));
}

/** Puts aside what still is there. */
export async function finishSettingAside(files: DataFiles, number: number): Promise<void> {
  const { directories, disk } = files;
  for (const directory of directories) {
    const present = await disk.list(directory);
    const names = historyAmong(present);
    const asideName = ASIDE_PREFIX + String(number);
    // What a process before this one has moved may not be durable where it is now.
    if (names.length === 0 && !present.includes(asideName)) continue;
    const aside = joinPath(directory, asideName);
    await disk.makeDirectory(aside);
    await disk.syncDirectory(directory);
    for (const name of names) await disk.rename(joinPath(directory, name), joinPath(aside, name));
    await disk.syncDirectory(aside);
    await disk.syncDirectory(directory);
  }
}

function historyAmong(names: readonly string[]): string[] {
  return [
    ...logFiles(names).map(({ name }) => name),
    ...snapshotFiles(names).map(({ name }) => name),
    ...names.filter((name) => NOTES.includes(name) || name.startsWith(UNFINISHED_PREFIX)),
  ];
}

/** The number of a directory with what was put aside earlier; 0: it is none. */
function numberOf(name: string): number {
  const number = /^damaged-([1-9]\d{0,8})$/.exec(name)?.[1];
  return Number(number ?? 0);
}
