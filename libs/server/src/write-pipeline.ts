import { readInt32, type Clock, type DiskError, type Zxid } from '@aviary/foundation';
import type { JuteReader } from '@aviary/jute';
import { TXN_HEADER_BYTES } from '@aviary/protocol';
import type { LogBatch, LogListener, TransactionLog } from '@aviary/storage';
import type {
  DataTree,
  OutstandingChanges,
  RequestOrigin,
  RequestPreparer,
  TransactionApplier,
} from '@aviary/znodes';
import type { LatencyMeter } from './latency-meter.js';
import type { ServerLimits } from './options.js';
import type { BarrierOwner, WritePath } from './write-path.js';
import { WriteQueue, type WriteOwner } from './write-queue.js';
import { WriteResults } from './write-results.js';

/** The type is the last field of a transaction's header. */
const TRANSACTION_TYPE_AT = TXN_HEADER_BYTES - 4;

/** Whom the pipeline tells. */
export interface PipelineListener {
  /** So many transactions, of so many bytes in the log, were just applied and answered. */
  onApplied(transactions: number, bytes: number): void;
  /** The log has failed: nothing more will be acknowledged. */
  onLogFailure(error: DiskError): void;
}

/**
 * The way of a write: made into a transaction against the tree and what is outstanding, logged
 * together with all that arrive in the meantime, applied in order once the disk has it, answered.
 */
export class WritePipeline implements LogListener, WritePath {
  private readonly queue = new WriteQueue();
  private readonly results: WriteResults;
  private log: TransactionLog | null = null;
  /** Of the last transaction that was made. */
  private lastMade: Zxid;
  private isFlushDue = false;
  /** The wall clock when the first write of this turn came: one stamp serves the whole turn. */
  private turnWallMs = 0;
  /** Who waits for a transaction without owning it; the zxids ascend. */
  private readonly barriers: { readonly zxid: Zxid; readonly owner: BarrierOwner }[] = [];

  constructor(
    private readonly tree: DataTree,
    private readonly changes: OutstandingChanges,
    private readonly preparer: RequestPreparer,
    private readonly applier: TransactionApplier,
    private readonly clock: Clock,
    private readonly latency: LatencyMeter,
    private readonly limits: ServerLimits,
    private readonly listener: PipelineListener,
  ) {
    this.results = new WriteResults(tree);
    this.lastMade = tree.lastZxid;
  }

  /** Where transactions go; set once, before the first write. */
  useLog(log: TransactionLog): void {
    this.log = log;
  }

  get outstanding(): number {
    return this.queue.length;
  }

  get isFull(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return this.queue.length >= outstandingMax || this.waitingBytes >= outstandingBytesMax;
  }

  get hasRoom(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return this.queue.length * 2 <= outstandingMax && this.waitingBytes * 2 <= outstandingBytesMax;
  }

  private get waitingBytes(): number {
    return this.log?.waitingBytes ?? 0;
  }

  submit(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const { log } = this;
    if (log === null) return;
    const zxid = this.lastMade + 1;
    this.preparer.prepare(type, body, origin, zxid, this.stampMs(), log.begin());
    this.finishSubmit(log, zxid, type, origin.xid, owner, nowMs);
  }

  submitError(
    error: number,
    type: number,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const { log } = this;
    if (log === null) return;
    const zxid = this.lastMade + 1;
    this.preparer.prepareError(error, origin, zxid, this.stampMs(), log.begin());
    this.finishSubmit(log, zxid, type, origin.xid, owner, nowMs);
  }

  waitForApplied(owner: BarrierOwner): void {
    this.barriers.push({ zxid: this.lastMade, owner });
  }

  sync(owner: BarrierOwner): boolean {
    if (this.outstanding === 0) return false;
    this.waitForApplied(owner);
    return true;
  }

  private stampMs(): number {
    if (!this.isFlushDue) this.turnWallMs = this.clock.wallMs();
    return this.turnWallMs;
  }

  private finishSubmit(
    log: TransactionLog,
    zxid: Zxid,
    type: number,
    xid: number,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    log.end(zxid);
    this.lastMade = zxid;
    this.queue.push(owner, type, xid, nowMs);
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    // What other sockets have brought in this turn goes to the disk with it.
    this.clock.atEndOfTurn(this.flush);
  }

  private readonly flush = (): void => {
    this.isFlushDue = false;
    this.log?.flush();
  };

  onDurable(batch: LogBatch): void {
    const { queue, results, applier } = this;
    const { bytes } = batch.writer;
    const nowMs = this.clock.monotonicMs();
    for (let i = 0; i < batch.count; i++) {
      const { type, owner, xid } = queue;
      const tookMs = nowMs - queue.started;
      this.latency.note(tookMs);
      queue.shift();
      const start = batch.startOf(i);
      results.begin(readInt32(bytes, start + TRANSACTION_TYPE_AT));
      applier.apply(bytes, start, batch.endOf(i), 'trust', results);
      results.finish();
      owner?.onWritten(type, xid, results, tookMs);
      if (this.barriers.length > 0) this.passBarriers();
    }
    this.changes.applied(this.tree.lastZxid);
    this.listener.onApplied(batch.count, batch.byteLength);
  }

  private passBarriers(): void {
    const { barriers, tree } = this;
    let passed = 0;
    while (passed < barriers.length && barriers[passed].zxid <= tree.lastZxid) {
      barriers[passed].owner.onApplied();
      passed++;
    }
    barriers.splice(0, passed);
  }

  onFailure(error: DiskError): void {
    this.listener.onLogFailure(error);
  }
}
