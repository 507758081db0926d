import type { Disk, Log } from '@aviary/foundation';
import { StorageError } from './errors.js';
import { LOG_HEADER_BYTES } from './log-format.js';
import { findRecordBehind, hasLostSector, isCleanEnd, type LogEnd } from './log-scanner.js';

/** What was cut from the end of a log: writes that were never acknowledged. */
export interface TornTail {
  readonly path: string;
  /** Where the file now ends. */
  readonly offset: number;
  /** How long the file was, padding included. */
  readonly fileBytes: number;
}

/**
 * Judges the end of the newest log file and cuts it where it is torn.
 *
 * A crash may leave the last write half done: what it held was not yet acknowledged, and goes.
 * Anything else is damage to what was, and nothing is touched.
 *
 * @param durableOffset Up to where the file was known to be on the disk; null: not known.
 * @returns What was cut, or null.
 * @throws {StorageError} The file is damaged.
 */
export async function settleTail(
  disk: Disk,
  path: string,
  end: LogEnd,
  durableOffset: number | null,
  log: Log,
): Promise<TornTail | null> {
  if (durableOffset !== null && end.offset < durableOffset) {
    throw new StorageError(
      path,
      end.offset,
      `the log cannot be read on, but was on the disk up to byte ${durableOffset}: acknowledged ` +
        'writes are damaged; restore the file, or accept their loss by cutting it to ' +
        `${Math.max(end.offset, LOG_HEADER_BYTES)} bytes and removing the file durable-mark beside it`,
    );
  }
  if (end.why === 'noHeader') {
    await disk.remove(path);
    return report(log, { path, offset: 0, fileBytes: end.fileBytes });
  }
  const behind = await findRecordBehind(disk, path, end.offset);
  if (isCleanEnd(end) && behind === null) return null;
  const isTorn = await hasLostSector(disk, path, end);
  if (!isTorn || (behind !== null && durableOffset === null)) {
    throw new StorageError(
      path,
      end.offset,
      `the log is damaged here (${end.why})` +
        (behind === null ? '' : `, and goes on at byte ${behind}`) +
        ': restore the file; to accept the loss of everything behind it, cut it to ' +
        `${end.offset} bytes`,
    );
  }
  const file = await disk.open(path, 'write');
  try {
    await file.truncate(end.offset);
    await file.sync();
  } finally {
    await file.close();
  }
  return report(log, { path, offset: end.offset, fileBytes: end.fileBytes });
}

function report(log: Log, torn: TornTail): TornTail {
  log.warn(
    `${torn.path} ended in a write that a crash had cut short; the file now ends at byte ${torn.offset}. ` +
      'Nothing that was acknowledged is lost.',
  );
  return torn;
}
