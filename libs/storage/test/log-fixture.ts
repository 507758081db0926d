import { readInt32, readUint53, type DiskError, type Zxid } from '@aviary/foundation';
import {
  ADLER32_START,
  DataDirectory,
  adler32,
  type LogBatch,
  type LogListener,
  type TransactionLog,
  type TransactionLogOptions,
} from '@aviary/storage';
import { readEntry, writeEntry, type LedgerEntry } from './ledger.js';
import { ManualClock, settled } from './manual-clock.js';
import { ScriptedDisk } from './scripted-disk.js';

export const DATA_DIR = '/data';
/** Where the files are. */
export const DIRECTORY = '/data/version-2';

/** What the mark beside the logs says: log, offset. */
export interface Mark {
  readonly log: Zxid;
  readonly offset: number;
}

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
  readonly directory = new DataDirectory(this.disk, this.clock, { dataDir: DATA_DIR });
  private opened: TransactionLog | null = null;

  /** A log on an empty disk. What opening asks of the disk is forgotten. */
  static async open(options: Partial<TransactionLogOptions> = {}): Promise<LogFixture> {
    const fixture = new LogFixture();
    const all = { preAllocBytes: 16 * 1024, forceSync: true, ...options };
    fixture.opened = await fixture.directory.openLog(all, fixture);
    fixture.disk.takeAsked();
    return fixture;
  }

  /** A log that has begun its first file, and whose next commits wait for their release. */
  static async holding(): Promise<LogFixture> {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    fixture.disk.holds = /^commit/;
    return fixture;
  }

  get log(): TransactionLog {
    if (this.opened === null) throw new Error('the log is not open yet');
    return this.opened;
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

  /** The mark on the disk; null: none that is whole. */
  markOnDisk(): Mark | null {
    const bytes = this.disk.memory.bytesOf(`${DIRECTORY}/durable-mark`);
    if (bytes.length !== 28) return null;
    if (readInt32(bytes, 24) >>> 0 !== adler32(ADLER32_START, bytes, 0, 24)) return null;
    return { log: readUint53(bytes, 8), offset: readUint53(bytes, 16) };
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
