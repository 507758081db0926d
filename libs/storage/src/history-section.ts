import type { Zxid } from '@aviary/foundation';
import type { HistoryProgress, HistoryReader } from './history-reader.js';
import { RECORD_PREFIX_BYTES, RECORD_SUFFIX_BYTES } from './log-format.js';

const PIECE_BYTES = 1 << 20;

/** What the logs hold behind some transaction, without a hole. */
export interface HistorySection {
  /** The last transaction that is not after the start; null: the logs do not go back so far. */
  readonly floor: Zxid | null;
  /** The first one after the start; null: there is none. */
  readonly next: Zxid | null;
  /** The last one that was looked at: what stands behind it was not asked for or is not there. */
  readonly last: Zxid;
  /**
   * Bytes that the transactions from `next` to `last` take up in the logs. ZooKeeper takes the sizes
   * of the files, of which most may be padding.
   */
  readonly bytes: number;
}

/** Reads from where `reader` starts to `through`, or until that is more than `bytesMax`. */
export async function inspectHistory(
  reader: HistoryReader,
  through: Zxid,
  bytesMax: number,
): Promise<HistorySection> {
  const found: { next: Zxid | null; bytes: number } = { next: null, bytes: 0 };
  let progress: HistoryProgress;
  do {
    progress = await reader.read(through, PIECE_BYTES, (_bytes, start, end, zxid) => {
      found.next ??= zxid;
      found.bytes += RECORD_PREFIX_BYTES + (end - start) + RECORD_SUFFIX_BYTES;
    });
  } while (progress === 'more' && found.bytes <= bytesMax);
  const { floor, lastZxid } = reader;
  return { floor, ...found, last: found.next === null ? (floor ?? 0) : lastZxid };
}
