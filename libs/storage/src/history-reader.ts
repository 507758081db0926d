import { assert, isMissing, type Zxid } from '@aviary/foundation';
import type { DataFiles } from './data-files.js';
import type { DurableMark } from './durable-mark.js';
import { joinPath, type NamedFile } from './file-names.js';
import { LogCursor } from './log-scanner.js';
import { canFollow } from './succession.js';

/** Hears logged transactions, in order; the bytes are good for the call. */
export type HistorySink = (bytes: Uint8Array, start: number, end: number, zxid: Zxid) => void;

/** How far a {@link HistoryReader} has come. */
export type HistoryProgress =
  /** There is more. */
  | 'more'
  /** Everything that was asked for was handed over. */
  | 'complete'
  /** Everything that is durable was handed over; what was asked for is not all of it. */
  | 'caughtUp'
  /** What comes next is not on the disk: it was purged, or was never there. */
  | 'gone';

/**
 * Reads logged transactions in pieces, while the log grows at one end and is purged at the other.
 *
 * Nothing is read beyond what is durable, and nothing is left out: where the next transaction is
 * not there the reader says so, also when a purge took it from under its hands.
 */
export class HistoryReader {
  /**
   * The last transaction that is not after the place where this reader starts; null: nothing was read
   * yet, or the disk does not go back so far.
   */
  floor: Zxid | null = null;
  /** The last transaction that was handed over; where it starts, while there is none. */
  lastZxid: Zxid;

  private cursor: LogCursor | null = null;
  private file: NamedFile | null = null;
  private origin: Zxid | null = null;
  /** The transaction behind which the next one has to stand. */
  private previous: Zxid = 0;
  /** Whether the record at hand waits to be handed over. */
  private holdsRecord = false;
  private isReading = false;
  private isGone = false;

  /**
   * @param after The transaction behind which to start; it need not be there.
   * @param durableEnd How far the log that is being written is durable; null: none is.
   */
  constructor(
    private readonly files: DataFiles,
    private readonly after: Zxid,
    private readonly durableEnd: () => DurableMark | null,
  ) {
    this.lastZxid = after;
  }

  /**
   * Hands over the next transactions up to and including `through`: of the bytes of their payloads
   * about `bytesMax`, and always one transaction if there is one. One call at a time.
   *
   * @throws {DiskError} A file cannot be read.
   * @throws {StorageError} A file is no log.
   */
  async read(through: Zxid, bytesMax: number, sink: HistorySink): Promise<HistoryProgress> {
    assert(!this.isReading, 'a history is read by one');
    this.isReading = true;
    try {
      const progress = await this.readOn(through, bytesMax, sink);
      this.isGone = progress === 'gone';
      return progress;
    } finally {
      this.isReading = false;
    }
  }

  /** Closes the file that is being read. */
  async close(): Promise<void> {
    const { cursor } = this;
    this.cursor = null;
    this.isGone = true;
    await cursor?.close();
  }

  private async readOn(
    through: Zxid,
    bytesMax: number,
    sink: HistorySink,
  ): Promise<HistoryProgress> {
    if (this.isGone) return 'gone';
    if (this.floor === null && !(await this.seek())) return 'gone';
    let left = bytesMax;
    while (this.lastZxid < through) {
      if (left <= 0) return 'more';
      const found = await this.find();
      if (found !== 'record') return found;
      const { cursor, previous } = this;
      assert(cursor !== null, 'the record at hand is that of a file');
      const { bytes, start, end, zxid } = cursor;
      if (zxid > previous && !canFollow(zxid, previous)) return 'gone';
      if (zxid > through) break;
      this.holdsRecord = false;
      // A later file may repeat what an earlier one has.
      if (zxid <= previous) continue;
      this.previous = zxid;
      if (zxid <= this.after) continue;
      sink(bytes, start, end, zxid);
      this.lastZxid = zxid;
      left -= end - start;
    }
    return 'complete';
  }

  /** Goes to the first transaction behind the start, from the last one before it. */
  private async seek(): Promise<boolean> {
    this.origin = await this.files.origin.read();
    const logs = await this.logs();
    const before = logs.filter(({ zxid }) => zxid <= this.after);
    for (const file of before.reverse()) {
      if (await this.seekIn(file)) return true;
    }
    // With the very next one, nothing can stand between.
    const next = logs.find(({ zxid }) => zxid === this.after + 1);
    if (next === undefined || !(await this.open(next))) return false;
    this.floor = this.after;
    this.previous = this.after;
    return true;
  }

  private async seekIn(file: NamedFile): Promise<boolean> {
    if (!(await this.open(file))) return false;
    const { cursor } = this;
    assert(cursor !== null, 'the file was opened');
    do {
      while (cursor.next()) {
        if (cursor.zxid > this.after) {
          this.holdsRecord = true;
          break;
        }
        this.floor = cursor.zxid;
      }
    } while (!this.holdsRecord && (await cursor.fill()));
    if (this.floor === null) return false;
    this.previous = this.floor;
    return true;
  }

  /** Finds the next record; where it stands does not matter. */
  private async find(): Promise<'record' | 'caughtUp' | 'gone'> {
    for (;;) {
      const { cursor, file } = this;
      if (this.holdsRecord) return 'record';
      assert(cursor !== null && file !== null, 'a file is open once the start was found');
      // Asked before the end is met: what is written meanwhile comes with the next round.
      const limit = this.limitOf(file);
      if (cursor.next()) {
        this.holdsRecord = true;
      } else if (!(await this.readMore(cursor, limit))) {
        if (limit < Infinity) return cursor.offset >= limit ? 'caughtUp' : 'gone';
        const next = await this.openNext(file);
        if (next !== 'opened') return next;
      }
    }
  }

  private async readMore(cursor: LogCursor, limit: number): Promise<boolean> {
    if (cursor.fileBytes < limit) cursor.fileBytes = Math.min(limit, await cursor.size());
    return cursor.fill();
  }

  /** Up to where a file may be read: nobody writes any more to one that is not the newest. */
  private limitOf(file: NamedFile): number {
    const end = this.durableEnd();
    return end === null || end.log > file.zxid ? Infinity : end.offset;
  }

  private async openNext(file: NamedFile): Promise<'opened' | 'caughtUp' | 'gone'> {
    const next = (await this.logs()).find(({ zxid }) => zxid > file.zxid);
    if (next === undefined) return 'caughtUp';
    return (await this.open(next)) ? 'opened' : 'gone';
  }

  private async open(file: NamedFile): Promise<boolean> {
    await this.cursor?.close();
    this.cursor = null;
    const path = joinPath(this.files.logDirectory, file.name);
    try {
      this.cursor = await LogCursor.open(this.files.disk, path, this.limitOf(file));
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    this.file = file;
    return true;
  }

  /** The logs that belong to the history that this server goes by. */
  private async logs(): Promise<NamedFile[]> {
    const { origin } = this;
    const logs = await this.files.logs();
    return origin === null ? logs : logs.filter(({ zxid }) => zxid > origin);
  }
}
