import { readInt32, readUint53, writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import { isMissing, type Clock, type Disk, type DiskFile, type Timer } from '@aviary/foundation';
import { ADLER32_START, adler32 } from './adler32.js';
import { joinPath } from './file-names.js';

const NAME = 'durable-mark';
const MAGIC = 0x41564d4b;
const MARK_BYTES = 28;
const CHECKSUM_AT = 24;
/** How much later than the log the mark may be, in milliseconds. */
const DELAY_MS = 50;

/** How far a log file is known to be durable. */
export interface DurableMark {
  /** The zxid in the name of the file. */
  readonly log: Zxid;
  /** Every byte before this one was on the disk when the mark was written. */
  readonly offset: number;
}

/**
 * A small file beside the logs that says how far the newest one was durable.
 *
 * A power cut may lose any part of the last batch of records, and keep the parts behind it: then a
 * record that cannot be read has others behind it that can. Damage to records that were
 * acknowledged looks the same, and must not be taken for it. The mark tells the two apart: what
 * stands before it was durable once. It is written without a sync and a little late, since to be too
 * low does it no harm.
 */
export class DurableMarkFile {
  private file: DiskFile | null = null;
  private mark: DurableMark = { log: 0, offset: 0 };
  private timer: Timer | null = null;
  private writing: Promise<void> | null = null;
  private isBroken = false;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly clock: Clock,
  ) {}

  /** The mark of the last run; null if there is none that can be read. */
  async read(): Promise<DurableMark | null> {
    try {
      const file = await this.disk.open(joinPath(this.directory, NAME), 'read');
      const bytes = new Uint8Array(MARK_BYTES);
      const length = await file.read(bytes, 0);
      await file.close();
      return length === MARK_BYTES ? decodeMark(bytes) : null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async open(): Promise<void> {
    this.file = await this.disk.open(joinPath(this.directory, NAME), 'create');
  }

  /** Notes that the log is durable up to `offset`; written soon. */
  advance(log: Zxid, offset: number): void {
    this.mark = { log, offset };
    this.timer ??= this.clock.setTimer(DELAY_MS, () => {
      this.timer = null;
      this.writing ??= this.write().finally(() => (this.writing = null));
    });
  }

  /** Writes the mark and makes it durable. */
  async close(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    await this.writing;
    if (this.file === null) return;
    await this.write();
    if (!this.isBroken) await this.file.sync();
    await this.file.close();
    this.file = null;
  }

  private async write(): Promise<void> {
    if (this.file === null || this.isBroken) return;
    try {
      await this.file.write(encodeMark(this.mark), 0);
    } catch {
      // The log itself stops the server when the disk fails; a stale mark only says less.
      this.isBroken = true;
    }
  }
}

function encodeMark({ log, offset }: DurableMark): Uint8Array {
  const bytes = new Uint8Array(MARK_BYTES);
  writeInt32(bytes, 0, MAGIC);
  writeInt32(bytes, 4, 1);
  writeUint53(bytes, 8, log);
  writeUint53(bytes, 16, offset);
  writeInt32(bytes, CHECKSUM_AT, adler32(ADLER32_START, bytes, 0, CHECKSUM_AT));
  return bytes;
}

function decodeMark(bytes: Uint8Array): DurableMark | null {
  const checksum = adler32(ADLER32_START, bytes, 0, CHECKSUM_AT);
  const isOurs = readInt32(bytes, 0) === MAGIC && readInt32(bytes, CHECKSUM_AT) >>> 0 === checksum;
  return isOurs ? { log: readUint53(bytes, 8), offset: readUint53(bytes, 16) } : null;
}
