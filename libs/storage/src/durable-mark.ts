import {
  assert,
  isMissing,
  readInt32,
  readUint53,
  writeInt32,
  writeUint53,
  type Clock,
  type Disk,
  type DiskFile,
  type Timer,
  type Zxid,
} from '@aviary/foundation';
import { ADLER32_START, adler32 } from './adler32.js';
import { UNFINISHED_PREFIX, joinPath } from './file-names.js';
import { readStart, replaceFile } from './whole-file.js';

/** The name of the file, beside the logs. */
export const DURABLE_MARK_NAME = 'durable-mark';

const MAGIC = 0x41564d4b;
const MARK_BYTES = 28;
const CHECKSUM_AT = 24;
/** How much later than the log the mark may be, in milliseconds. */
const DELAY_MS = 50;

/** How far a log file is known to be durable. */
export interface DurableMark {
  /** The zxid in the name of the file. All transactions before that one are durable, too. */
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
 * stands before it was durable once.
 *
 * That a file was begun is made durable at once, so that after a power cut there is always a mark
 * for the newest file. How far it has come is written without a sync and a little late, since to be
 * too low does it no harm.
 */
export class DurableMarkFile {
  private file: DiskFile | null = null;
  private log: Zxid = 0;
  private offset = 0;
  private timer: Timer | null = null;
  private writing: Promise<void> | null = null;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly clock: Clock,
  ) {}

  /** The mark of the last run; null if there is none that can be read. */
  async read(): Promise<DurableMark | null> {
    const bytes = await readStart(this.disk, this.path, MARK_BYTES);
    return bytes?.length === MARK_BYTES ? decodeMark(bytes) : null;
  }

  /**
   * Sets the mark back, for logs that are going to be cut; resolves when that is durable. Not while
   * a log is open. `null`: nothing is known to have been durable.
   */
  async setBack(mark: DurableMark | null): Promise<void> {
    assert(this.file === null, 'a log is closed before it is cut');
    const bytes = mark === null ? new Uint8Array(0) : encodeMark(mark.log, mark.offset);
    const unfinished = UNFINISHED_PREFIX + DURABLE_MARK_NAME;
    await replaceFile(this.disk, this.directory, DURABLE_MARK_NAME, unfinished, bytes);
  }

  /** Opens the file for writing. The mark of the last run stays until a log is begun. */
  async open(): Promise<void> {
    this.log = 0;
    this.offset = 0;
    try {
      this.file = await this.disk.open(this.path, 'write');
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.file = await this.disk.open(this.path, 'create');
    }
  }

  /**
   * Notes that a log file was begun, and with it that all before it is durable; resolves when the
   * mark itself is. Its name is, once the directory was synced after {@link open}.
   */
  async begin(log: Zxid, offset: number): Promise<void> {
    this.log = log;
    this.offset = offset;
    await this.writing;
    if (this.file === null) return;
    await this.file.write(encodeMark(log, offset), 0);
    await this.file.sync();
  }

  /** Notes that the log is durable up to `offset`; written soon. */
  advance(log: Zxid, offset: number): void {
    this.log = log;
    this.offset = offset;
    this.timer ??= this.clock.setTimer(DELAY_MS, this.onTimer);
  }

  /** Writes the mark and makes it durable, if the disk lets it. */
  async close(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    await this.writing;
    const { file } = this;
    if (file === null) return;
    this.file = null;
    await this.writeTo(file, true);
    await file.close();
  }

  private get path(): string {
    return joinPath(this.directory, DURABLE_MARK_NAME);
  }

  private readonly onTimer = (): void => {
    this.timer = null;
    const { file } = this;
    if (file === null) return;
    if (this.writing !== null) {
      this.advance(this.log, this.offset);
      return;
    }
    this.writing = this.writeTo(file, false).finally(() => (this.writing = null));
  };

  private async writeTo(file: DiskFile, isLast: boolean): Promise<void> {
    // Nothing was begun in this run: the mark of the last one still holds.
    if (this.offset === 0) return;
    try {
      await file.write(encodeMark(this.log, this.offset), 0);
      if (isLast) await file.sync();
    } catch {
      // The log itself stops the server when the disk fails; a stale mark only says less.
    }
  }
}

function encodeMark(log: Zxid, offset: number): Uint8Array {
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
