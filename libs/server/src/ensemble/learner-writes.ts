import { readInt32, type Clock, type Zxid } from '@aviary/foundation';
import { OpCode, TXN_HEADER_BYTES, type Id } from '@aviary/protocol';
import { JuteReader } from '@aviary/jute';
import { SYSTEM_PRINCIPAL, type RequestOrigin } from '@aviary/znodes';
import type { LatencyMeter } from '../latency-meter.js';
import type { ServerLimits } from '../options.js';
import type { PortRole } from '../port-role.js';
import type { BarrierOwner, WritePath } from '../write-path.js';
import type { WriteOwner } from '../write-queue.js';
import { WriteResults } from '../write-results.js';
import type { AppliedListener } from './applied-listener.js';
import { KeptRequests } from './kept-requests.js';
import type { MemberState } from './member-state.js';

const TRANSACTION_TYPE_AT = TXN_HEADER_BYTES - 4;
const XID_AT = 8;
const NO_BYTES = new Uint8Array(0);

/** Where a learner's requests go. */
export interface RequestSink {
  request(
    sessionHigh: number,
    sessionLow: number,
    xid: number,
    type: number,
    who: readonly Id[] | null,
    body: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** A session has ended by a transaction. */
  sessionClosed(sessionHigh: number, sessionLow: number): void;
}

interface Waiting extends RequestOrigin {
  readonly type: number;
  /** The record is `bytes[start..end)`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly owner: WriteOwner | null;
  readonly startedMs: number;
}

const NOTHING_WAITS: Waiting = {
  sessionHigh: 0,
  sessionLow: 0,
  xid: 0,
  who: SYSTEM_PRINCIPAL,
  type: 0,
  bytes: NO_BYTES,
  start: 0,
  end: 0,
  owner: null,
  startedMs: 0,
};

interface WaitingSync extends RequestOrigin {
  /** The writes that were sent before it. */
  readonly sent: number;
  readonly owner: BarrierOwner;
}

/**
 * The way of a write at a learner: sent to the leader, and answered when its transaction is applied
 * here. The leader makes one transaction of every request, in the order in which they come.
 */
export class LearnerWrites implements WritePath {
  private readonly results: WriteResults;
  /** Requests whose transactions are to come, in the order in which they were sent. */
  private waiting: Waiting[] = [];
  private head = 0;
  private waitingBytes = 0;
  private readonly barriers: { readonly sent: number; readonly owner: BarrierOwner }[] = [];
  private readonly kept = new KeptRequests();
  private sent = 0;
  private done = 0;
  private isLeaderGone = false;
  /** Syncs that the leader has not answered. */
  private readonly syncs: WaitingSync[] = [];
  /** Answered ones, which wait until everything before the answer is applied. */
  private readonly answered: { readonly zxid: Zxid; readonly owner: BarrierOwner }[] = [];

  constructor(
    private readonly state: MemberState,
    private readonly sink: RequestSink,
    private readonly clock: Clock,
    private readonly latency: LatencyMeter,
    private readonly limits: ServerLimits,
    private readonly listener: AppliedListener,
  ) {
    this.results = new WriteResults(state.tree);
  }

  get outstanding(): number {
    return this.waiting.length - this.head;
  }

  get isFull(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return this.outstanding >= outstandingMax || this.waitingBytes >= outstandingBytesMax;
  }

  get hasRoom(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return this.outstanding * 2 <= outstandingMax && this.waitingBytes * 2 <= outstandingBytesMax;
  }

  submit(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const { sessionHigh, sessionLow, who } = origin;
    const xid = type === OpCode.createSession ? 0 : origin.xid;
    const { bytes, position, end } = body;
    const { kept } = this;
    kept.keep(bytes, position, end);
    this.waiting.push({
      sessionHigh,
      sessionLow,
      xid,
      who,
      type,
      bytes: kept.bytes,
      start: kept.start,
      end: kept.end,
      owner,
      startedMs: nowMs,
    });
    this.sent++;
    this.waitingBytes += kept.end - kept.start;
    const ids = type === OpCode.createSession ? null : who.ids;
    this.sink.request(sessionHigh, sessionLow, xid, type, ids, bytes, position, end);
  }

  /** A learner refuses nothing by itself: that is for the leader. */
  submitError(): void {
    throw new Error('a learner leaves it to its leader what is refused');
  }

  waitForApplied(owner: BarrierOwner): void {
    this.barriers.push({ sent: this.sent, owner });
  }

  sync(owner: BarrierOwner, { sessionHigh, sessionLow, xid, who }: RequestOrigin): boolean {
    this.syncs.push({ sessionHigh, sessionLow, xid, who, sent: this.sent, owner });
    const { sync } = OpCode;
    this.sink.request(sessionHigh, sessionLow, xid, sync, who.ids, NO_BYTES, 0, 0);
    return true;
  }

  /** The leader has answered the oldest sync; what it had committed before came up to `last`. */
  syncAnswered(last: Zxid): void {
    const sync = this.syncs.shift();
    if (sync === undefined) return;
    this.answered.push({ zxid: last, owner: sync.owner });
    this.passSyncs();
  }

  /**
   * The leader is gone, with its answers to syncs. A write that was sent behind one and has become a
   * transaction shows that it was the leader when the sync had come.
   */
  noteLeaderGone(): void {
    this.isLeaderGone = true;
  }

  /** Applies what is committed up to `through`. */
  applyThrough(through: Zxid): void {
    const { history } = this.state;
    const nowMs = this.clock.monotonicMs();
    let transactions = 0;
    let bytes = 0;
    while (history.pending > 0 && history.pendingZxid <= through) {
      // A session's write behind its sync must not be answered before.
      if (this.answered.length > 0) this.passSyncs();
      history.selectPending();
      bytes += history.end - history.start;
      this.applyOne(nowMs);
      history.settle(Infinity);
      transactions++;
    }
    this.passSyncs();
    if (transactions > 0) this.listener.onApplied(transactions, bytes);
  }

  /**
   * Asks `role` for everything that no transaction was made of, in the order in which it came. For an
   * epoch is over: what the history does not have now that the next one has begun it will never have,
   * and so nothing is done twice.
   */
  handOver(role: PortRole): void {
    const body = new JuteReader(NO_BYTES);
    const free: BarrierOwner[] = [];
    for (const [index, each] of this.waiting.slice(this.head).entries()) {
      this.handOverWaits(this.done + index, role.writes, free);
      // Whoever began a session was cut off, and begins another one elsewhere.
      if (each.type === OpCode.createSession) continue;
      body.reset(each.bytes, each.start, each.end);
      role.takeOver(each.type, body, each, each.owner, each.startedMs);
    }
    this.handOverWaits(Infinity, role.writes, free);
    // What they ask for next comes behind what they had asked for.
    for (const owner of free) owner.onApplied();
  }

  /** What waits for the first `sent` writes keeps its place before those behind them. */
  private handOverWaits(sent: number, writes: WritePath, free: BarrierOwner[]): void {
    const { barriers, syncs } = this;
    while (barriers.length > 0 && barriers[0].sent <= sent) {
      const owner = barriers.shift()?.owner;
      if (owner === undefined) continue;
      if (writes.outstanding > 0) writes.waitForApplied(owner);
      else free.push(owner);
    }
    while (syncs.length > 0 && syncs[0].sent <= sent) {
      const sync = syncs.shift();
      if (sync !== undefined && !writes.sync(sync.owner, sync)) free.push(sync.owner);
    }
  }

  private applyOne(nowMs: number): void {
    const { results, state } = this;
    const { bytes, start, end } = state.history;
    const type = readInt32(bytes, start + TRANSACTION_TYPE_AT);
    const sessionHigh = readInt32(bytes, start);
    const sessionLow = readInt32(bytes, start + 4);
    const own = this.takeOwn(sessionHigh, sessionLow, readInt32(bytes, start + XID_AT));
    if (own !== null && this.isLeaderGone) this.passSyncsBefore(this.done);
    state.lastApplied = state.history.pendingZxid;
    results.begin(type);
    state.applier.apply(bytes, start, end, 'verify', results);
    results.finish();
    if (own !== null) {
      const tookMs = nowMs - own.startedMs;
      this.latency.note(tookMs);
      own.owner?.onWritten(own.type, own.xid, results, tookMs);
    }
    if (type === OpCode.closeSession) this.sink.sessionClosed(sessionHigh, sessionLow);
    while (this.barriers.length > 0 && this.barriers[0].sent <= this.done) {
      this.barriers.shift()?.owner.onApplied();
    }
  }

  /** The request of ours that became this transaction, or null: it is another server's. */
  private takeOwn(sessionHigh: number, sessionLow: number, xid: number): Waiting | null {
    if (this.head === this.waiting.length) return null;
    const first = this.waiting[this.head];
    const isFirst =
      first.sessionLow === sessionLow && first.sessionHigh === sessionHigh && first.xid === xid;
    if (!isFirst) return null;
    this.done++;
    this.waitingBytes -= first.end - first.start;
    // Else its bytes would be kept until the list is made anew.
    this.waiting[this.head] = NOTHING_WAITS;
    this.head++;
    if (this.head === this.waiting.length || this.head > 1024) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
    return first;
  }

  /** Answers the syncs before the write of that number. */
  private passSyncsBefore(write: number): void {
    while (this.syncs.length > 0 && this.syncs[0].sent < write) {
      this.syncs.shift()?.owner.onApplied();
    }
  }

  private passSyncs(): void {
    const { lastZxid } = this.state.tree;
    while (this.answered.length > 0 && this.answered[0].zxid <= lastZxid) {
      this.answered.shift()?.owner.onApplied();
    }
  }
}
