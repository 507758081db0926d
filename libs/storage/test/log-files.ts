import { writeInt32, writeUint53 } from '@aviary/foundation';
import { ADLER32_START, LogBatch, adler32 } from '@aviary/storage';
import { writeEntry, type LedgerEntry } from './ledger.js';

/** What every log file starts with. */
export const LOG_HEADER: Uint8Array = Uint8Array.from([
  ...[0x5a, 0x4b, 0x4c, 0x47],
  ...[0, 0, 0, 2],
  ...[0, 0, 0, 0, 0, 0, 0, 0],
]);

/** Frame and header of a transaction: what a record has beside its body. */
export const RECORD_BYTES = 12 + 32 + 1;

/** An entry with some content. */
export function entryOf(zxid: number, bodyBytes = 20, tag = zxid * 4 + 3): LedgerEntry {
  return { zxid, tag, bodyBytes };
}

/** The records of some transactions, one behind the other. */
export function recordsOf(entries: readonly LedgerEntry[]): Uint8Array {
  const batch = new LogBatch(new Uint8Array(0));
  for (const entry of entries) {
    batch.begin();
    writeEntry(batch.writer, entry);
    batch.end(entry.zxid);
  }
  return batch.bytes.slice();
}

/** A log file: header, records, and zeros up to `fileBytes` (default: none). */
export function logFileOf(entries: readonly LedgerEntry[], fileBytes = 0): Uint8Array {
  const records = recordsOf(entries);
  const file = new Uint8Array(Math.max(fileBytes, LOG_HEADER.length + records.length));
  file.set(LOG_HEADER);
  file.set(records, LOG_HEADER.length);
  return file;
}

/** The mark beside the logs: the log of `log` was durable up to `offset`. */
export function markOf(log: number, offset: number): Uint8Array {
  const bytes = new Uint8Array(28);
  writeInt32(bytes, 0, 0x41564d4b);
  writeInt32(bytes, 4, 1);
  writeUint53(bytes, 8, log);
  writeUint53(bytes, 16, offset);
  writeInt32(bytes, 24, adler32(ADLER32_START, bytes, 0, 24));
  return bytes;
}
