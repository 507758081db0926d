import type { DiskError, Zxid } from '@aviary/foundation';
import type { LogBatch, LogListener, TransactionLogOptions } from '@aviary/storage';
import { DurableMarkFile } from '../src/durable-mark.js';
import { TransactionLog } from '../src/transaction-log.js';
import { readEntry, writeEntry, type LedgerEntry } from './ledger.js';
import { ManualClock } from './manual-clock.js';
import { ScriptedDisk } from './scripted-disk.js';

export const DIRECTORY = '/data/version-2';

/** A transaction log over a scripted disk, and what it told its listener. */
export class LogFixture implements LogListener {
  readonly disk = new ScriptedDisk();
  readonly clock = new ManualClock();
  /** The zxids of each batch that became durable. */
  readonly durable: Zxid[][] = [];
  readonly entries: LedgerEntry[] = [];
  readonly failures: DiskError[] = [];
  /** Runs in {@link onDurable}, before the batch is cleared. */
  whenDurable: () => void = () => undefined;
  readonly mark = new DurableMarkFile(this.disk, DIRECTORY, this.clock);
  readonly log: TransactionLog;

  constructor(options: Partial<TransactionLogOptions> = {}) {
    const all = { preAllocBytes: 16 * 1024, forceSync: true, ...options };
    this.log = new TransactionLog(this.disk, DIRECTORY, all, this.mark, this.clock, this);
  }

  /** Adds transactions with bodies of `bodyBytes`, without a flush. */
  add(bodyBytes: number, ...zxids: Zxid[]): void {
    for (const zxid of zxids) {
      writeEntry(this.log.begin(), { zxid, tag: zxid * 3 + 2, bodyBytes });
      this.log.end(zxid);
    }
  }

  /** Adds and flushes. */
  append(bodyBytes: number, ...zxids: Zxid[]): void {
    this.add(bodyBytes, ...zxids);
    this.log.flush();
  }

  /** The bytes of a log file now. */
  file(zxid: Zxid): Uint8Array {
    return this.disk.memory.bytesOf(`${DIRECTORY}/log.${zxid.toString(16)}`);
  }

  onDurable(batch: LogBatch): void {
    const zxids: Zxid[] = [];
    for (let i = 0; i < batch.count; i++) {
      const entry = readEntry(batch.writer.bytes, batch.startOf(i), batch.endOf(i));
      zxids.push(entry.zxid);
      this.entries.push(entry);
    }
    this.durable.push(zxids);
    this.whenDurable();
  }

  onFailure(error: DiskError): void {
    this.failures.push(error);
  }
}
