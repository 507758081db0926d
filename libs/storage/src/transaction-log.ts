import {
  assert,
  type Clock,
  type Disk,
  type DiskError,
  type DiskFile,
  type Zxid,
} from '@aviary/foundation';
import type { JuteWriter } from '@aviary/jute';
import type { DurableMark, DurableMarkFile } from './durable-mark.js';
import { UNFINISHED_PREFIX, joinPath, logName } from './file-names.js';
import { LogBatch } from './log-batch.js';
import {
  LOG_HEADER_BYTES,
  PADDING_MARGIN_BYTES,
  RECORD_PREFIX_BYTES,
  logHeader,
  paddedSize,
} from './log-format.js';

/** Bytes of each of the buffers in which batches are made. */
const BATCH_BYTES = 1 << 20;
/** One batch is filled while the one before it is written and the one before that is applied. */
const BATCHES = 3;
/**
 * How far ahead of the records zeros are really written. A record then lands on blocks that the file
 * already has, and its fdatasync need not wait for the file system's journal.
 */
const ZEROED_AHEAD_BYTES = 256 * 1024;
const zeros = new Uint8Array(ZEROED_AHEAD_BYTES);

/** Options of a {@link TransactionLog}. */
export interface TransactionLogOptions {
  /** `preAllocSize`, in bytes; 0 or less: files are not padded. */
  readonly preAllocBytes: number;
  /** `forceSync`: false writes without waiting for the disk, and can lose what was acknowledged. */
  readonly forceSync: boolean;
}

/** Whom the log tells. */
export interface LogListener {
  /** The transactions of `batch` are on the disk, and all before them. The batch is then cleared. */
  onDurable(batch: LogBatch): void;

  /** Writing or syncing failed; nothing is known of what was not yet durable. The log is dead. */
  onFailure(error: DiskError): void;
}

/**
 * The transaction log: appends records in memory, and brings all that have come in meanwhile to the
 * disk with one write and one sync (group commit).
 *
 * Records go to a file that is named after its first transaction; a new one is begun at the first
 * transaction after the start and after {@link roll}, never continuing an old one.
 */
export class TransactionLog {
  private readonly free: LogBatch[] = [];
  private filling: LogBatch;
  private file: DiskFile | null = null;
  private fileZxid: Zxid = 0;
  private position = 0;
  private size = 0;
  private zeroedTo = 0;
  private zeroing: Promise<void> | null = null;
  private isCommitting = false;
  private isDead = false;
  private hasClosed = false;
  private wantsRoll = true;
  private idle: (() => void) | null = null;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly options: TransactionLogOptions,
    private readonly mark: DurableMarkFile,
    private readonly clock: Clock,
    private readonly listener: LogListener,
    /** As {@link allocate} gave it; no other log may be using it. */
    memory: readonly Uint8Array[],
  ) {
    for (const buffer of memory) this.free.push(new LogBatch(buffer));
    this.filling = this.takeBatch();
  }

  /** What a log needs of memory: it can be handed from one that was closed to the next. */
  static allocate(disk: Disk): readonly Uint8Array[] {
    return Array.from({ length: BATCHES }, () => disk.allocate(BATCH_BYTES));
  }

  /** Whether {@link close} came to its end, with everything durable. */
  get isClosed(): boolean {
    return this.hasClosed;
  }

  /** Transactions that were added and not yet handed to the disk. */
  get waiting(): number {
    return this.filling.count;
  }

  /** Bytes of those transactions. */
  get waitingBytes(): number {
    return this.filling.byteLength;
  }

  /** Longest and number of syncs, for monitoring. Milliseconds. */
  readonly syncs = { count: 0, totalMs: 0, longestMs: 0 };

  /** Up to where the newest file is durable; null: no file is being written. */
  get durableEnd(): DurableMark | null {
    const isWriting = this.fileZxid > 0 && !this.hasClosed;
    return isWriting ? { log: this.fileZxid, offset: this.position } : null;
  }

  /** Opens a record; append the transaction to the writer that is returned, then {@link end}. */
  begin(): JuteWriter {
    this.filling.begin();
    return this.filling.writer;
  }

  /** Closes the record of the transaction `zxid`. */
  end(zxid: Zxid): void {
    this.filling.end(zxid);
  }

  /** Sends what is waiting to the disk, unless something is on its way: then it follows by itself. */
  flush(): void {
    if (this.isCommitting || this.isDead || this.filling.count === 0) return;
    this.isCommitting = true;
    const batch = this.filling;
    this.filling = this.takeBatch();
    if (this.file === null || this.wantsRoll) {
      void this.beginFile(batch.firstZxid).then(
        () => this.commit(batch),
        (error: unknown) => this.fail(error as DiskError),
      );
    } else {
      this.commit(batch);
    }
  }

  /** Lets the next transaction begin a new file. */
  roll(): void {
    this.wantsRoll = true;
  }

  /**
   * Resolves when everything that was added is durable, then closes the file. Once the log has
   * failed, it resolves at once, and what was not durable stays so.
   */
  async close(): Promise<void> {
    this.flush();
    if (this.isCommitting && !this.isDead) {
      await new Promise<void>((resolve) => (this.idle = resolve));
    }
    await this.zeroing;
    if (this.isDead) return;
    await this.endFile();
    this.file = null;
    this.wantsRoll = true;
    await this.mark.close();
    this.hasClosed = true;
  }

  private takeBatch(): LogBatch {
    const batch = this.free.pop();
    assert(batch !== undefined, 'a batch is cleared before the third after it is taken');
    return batch;
  }

  /** Closes the file. What a log without forced syncs still owes to the disk is synced here. */
  private async endFile(): Promise<void> {
    if (!this.options.forceSync) await this.file?.sync();
    await this.file?.close();
  }

  /**
   * Makes the next file under another name, so that no crash leaves a log without a header, and the
   * new name durable before anything in it counts.
   */
  private async beginFile(zxid: Zxid): Promise<void> {
    await this.zeroing;
    if (this.isDead) return;
    await this.endFile();
    this.fileZxid = zxid;
    this.position = LOG_HEADER_BYTES;
    const path = joinPath(this.directory, logName(zxid));
    const unfinished = joinPath(this.directory, UNFINISHED_PREFIX + logName(zxid));
    const file = await this.disk.open(unfinished, 'create');
    await file.write(logHeader(), 0);
    const size = paddedSize(LOG_HEADER_BYTES, LOG_HEADER_BYTES, this.options.preAllocBytes);
    if (size > LOG_HEADER_BYTES) await file.truncate(size);
    await file.sync();
    await this.disk.rename(unfinished, path);
    await this.disk.syncDirectory(this.directory);
    await this.mark.begin(zxid, LOG_HEADER_BYTES);
    this.file = file;
    this.size = size;
    this.zeroedTo = LOG_HEADER_BYTES;
    this.wantsRoll = false;
  }

  private commit(batch: LogBatch): void {
    const { file } = this;
    if (this.isDead) return;
    assert(file !== null, 'a file is open before anything is committed');
    const needsRoom = this.needsRoom(batch);
    // From here on no zeros are sent to where the batch will stand, also while it waits for room.
    this.zeroedTo = Math.max(this.zeroedTo, this.position + batch.byteLength);
    if (needsRoom) {
      void this.makeRoom(file, batch).then(
        () => this.write(file, batch),
        (error: unknown) => this.fail(error as DiskError),
      );
    } else {
      this.write(file, batch);
    }
  }

  /** Where the last record of `batch` will start: there the reference looks at the padding. */
  private lastRecordAt(batch: LogBatch): number {
    return this.position + batch.startOf(batch.count - 1) - RECORD_PREFIX_BYTES;
  }

  private needsRoom(batch: LogBatch): boolean {
    if (this.options.preAllocBytes <= 0) return false;
    if (this.zeroing !== null && this.position + batch.byteLength > this.zeroedTo) return true;
    return this.lastRecordAt(batch) + PADDING_MARGIN_BYTES >= this.size;
  }

  /** Waits for zeros under way to land before records overwrite them, and pads the file. */
  private async makeRoom(file: DiskFile, batch: LogBatch): Promise<void> {
    await this.zeroing;
    if (this.isDead) return;
    const at = this.lastRecordAt(batch);
    let { size } = this;
    while (at + PADDING_MARGIN_BYTES >= size)
      size = paddedSize(at, size, this.options.preAllocBytes);
    if (size > this.size) await file.truncate(size);
    this.size = size;
  }

  private write(file: DiskFile, batch: LogBatch): void {
    if (this.isDead) return;
    const startedMs = this.clock.monotonicMs();
    const done = (error: DiskError | null) => this.committed(batch, startedMs, error);
    if (this.options.forceSync) {
      file.commit(batch.bytes, this.position, done);
    } else {
      file.write(batch.bytes, this.position).then(
        () => done(null),
        (error: unknown) => done(error as DiskError),
      );
    }
  }

  private committed(batch: LogBatch, startedMs: number, error: DiskError | null): void {
    if (error !== null) this.fail(error);
    // Also when something else failed meanwhile: a log that is dead acknowledges nothing.
    if (this.isDead) return;
    this.noteSync(this.clock.monotonicMs() - startedMs);
    this.position += batch.byteLength;
    this.isCommitting = false;
    // The disk works on the next batch while this one is applied.
    this.flush();
    this.zeroAhead();
    if (this.options.forceSync) this.mark.advance(this.fileZxid, this.position);
    this.listener.onDurable(batch);
    batch.clear();
    this.free.push(batch);
    this.settleIfIdle();
  }

  private noteSync(tookMs: number): void {
    this.syncs.count++;
    this.syncs.totalMs += tookMs;
    if (tookMs > this.syncs.longestMs) this.syncs.longestMs = tookMs;
  }

  /** Zeros what lies behind the records under way, while the disk works on those. */
  private zeroAhead(): void {
    const { file } = this;
    const isDue = this.zeroedTo - this.position < ZEROED_AHEAD_BYTES / 2;
    if (!isDue || this.zeroing !== null || file === null || this.wantsRoll) return;
    const from = this.zeroedTo;
    const length = Math.min(ZEROED_AHEAD_BYTES, this.size - from);
    if (length <= 0) return;
    this.zeroing = file.write(zeros.subarray(0, length), from).then(
      () => {
        this.zeroedTo = Math.max(this.zeroedTo, from + length);
        this.zeroing = null;
      },
      (error: unknown) => this.fail(error as DiskError),
    );
  }

  private fail(error: DiskError): void {
    if (this.isDead) return;
    this.isDead = true;
    this.settle();
    this.listener.onFailure(error);
  }

  private settleIfIdle(): void {
    if (!this.isCommitting) this.settle();
  }

  private settle(): void {
    this.idle?.();
    this.idle = null;
  }
}
