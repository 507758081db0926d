import type { Disk, DiskFile, Log } from '@aviary/foundation';
import { StorageError } from './errors.js';
import { DURABLE_MARK_NAME } from './durable-mark.js';
import { LOG_HEADER_BYTES } from './log-format.js';
import { inspectRemains } from './log-damage.js';
import type { LogEnd } from './log-scanner.js';

/** What was cut from the end of a log: writes that were never acknowledged. */
export interface TornTail {
  readonly path: string;
  /** Where the file now ends; 0: it was removed. */
  readonly offset: number;
  /** How long the file was, padding included. */
  readonly fileBytes: number;
}

/** The end of a log file behind which no other transaction is known. */
export interface LogTail {
  readonly path: string;
  readonly end: LogEnd;
  /** Up to where the file was known to be on the disk; null: not known. */
  readonly durableOffset: number | null;
}

/** What is to be done about a tail. */
export type TailVerdict =
  /** Nothing is wrong with it. */
  | 'keep'
  /** The last write was cut short: what is left of it goes. */
  | 'cut'
  /** The file was just being made, and has no header yet. */
  | 'remove';

/**
 * Judges the end of a log and touches nothing.
 *
 * A crash may leave the last write half done: what it held was not yet acknowledged, and may go.
 * Anything else is damage to what was.
 *
 * @throws {StorageError} The file is damaged.
 */
export async function judgeTail(disk: Disk, tail: LogTail): Promise<TailVerdict> {
  const { path, end, durableOffset } = tail;
  if (durableOffset !== null && end.offset < durableOffset) {
    throw new StorageError(
      path,
      end.offset,
      `the log cannot be read on, but was on the disk up to byte ${durableOffset}: acknowledged ` +
        'writes are damaged; restore the file, or accept their loss by cutting it to ' +
        `${Math.max(end.offset, LOG_HEADER_BYTES)} bytes and removing the file ` +
        `${DURABLE_MARK_NAME} beside it`,
    );
  }
  if (end.why === 'noHeader') return 'remove';
  const { looksLike, recordAt } = await inspectRemains(disk, path, end);
  if (looksLike === 'nothing') return 'keep';
  // Without a mark, nobody knows whether the records behind were acknowledged, and so this one.
  const mayCut = recordAt === null || durableOffset !== null;
  if (looksLike === 'tornWrite' && mayCut) return 'cut';
  throw new StorageError(
    path,
    end.offset,
    `the log is damaged here (${end.why})` +
      (recordAt === null ? '' : `, and goes on at byte ${recordAt}`) +
      ': restore the file; to accept the loss of everything behind it, cut it to ' +
      `${end.offset} bytes`,
  );
}

/**
 * Does what {@link judgeTail} said, and makes durable what stays: it may have been read from memory
 * that never came to the disk, and from now on clients see it.
 *
 * @returns What was cut, or null.
 */
export async function settleTail(
  disk: Disk,
  tail: LogTail,
  verdict: TailVerdict,
  log: Log,
): Promise<TornTail | null> {
  const { path, end, durableOffset } = tail;
  if (verdict === 'remove') {
    await disk.remove(path);
    return report(log, { path, offset: 0, fileBytes: end.fileBytes });
  }
  const file = await disk.open(path, 'write');
  try {
    if (verdict === 'cut') await file.truncate(end.offset);
    if (durableOffset !== null) await writeAgain(file, durableOffset, end.offset);
    await file.sync();
  } finally {
    await file.close();
  }
  return verdict === 'keep'
    ? null
    : report(log, { path, offset: end.offset, fileBytes: end.fileBytes });
}

const COPY_BYTES = 1 << 20;

/**
 * Writes the bytes of a file over themselves. After a sync that failed, memory holds what the disk
 * does not, and the next sync takes it for written: only a new write brings it there.
 */
async function writeAgain(file: DiskFile, from: number, end: number): Promise<void> {
  const bytes = new Uint8Array(Math.min(COPY_BYTES, Math.max(end - from, 0)));
  for (let at = from; at < end;) {
    const length = await file.read(bytes.subarray(0, Math.min(bytes.length, end - at)), at);
    await file.write(bytes.subarray(0, length), at);
    at += length;
  }
}

function report(log: Log, torn: TornTail): TornTail {
  log.warn(
    `${torn.path} ended in a write that a crash had cut short; ` +
      (torn.offset === 0
        ? 'it held nothing else and was removed. '
        : `it now ends at byte ${torn.offset}. `) +
      'Nothing that was acknowledged is lost.',
  );
  return torn;
}
