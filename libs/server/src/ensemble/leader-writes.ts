import { readInt32, type Clock, type Zxid } from '@aviary/foundation';
import type { JuteReader, JuteWriter } from '@aviary/jute';
import { TXN_HEADER_BYTES } from '@aviary/protocol';
import type { LogBatch, TransactionLog } from '@aviary/storage';
import type { OutstandingChanges, RequestOrigin, RequestPreparer } from '@aviary/znodes';
import { PendingSyncs, type ActiveEpoch } from '@aviary/zab';
import type { LatencyMeter } from '../latency-meter.js';
import type { ServerLimits } from '../options.js';
import type { BarrierOwner, WritePath } from '../write-path.js';
import { WriteQueue, type WriteOwner } from '../write-queue.js';
import { WriteResults } from '../write-results.js';
import type { AppliedListener } from './applied-listener.js';
import type { MemberState } from './member-state.js';

const TRANSACTION_TYPE_AT = TXN_HEADER_BYTES - 4;

/** What the leader's writes need of the connections to its learners. */
export interface ProposalSink {
  /** Sends the newest transaction of the history to all who follow live. */
  propose(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void;
  /** Proposals are committed up to `through`: all who learn live are told. */
  commit(through: Zxid): void;
  /** Everything that was written leaves now. */
  flush(): void;
  /** Leadership is to be confirmed before syncs are answered. */
  confirm(): void;
  /** What was committed after this is still to be sent to some learner; Infinity: nothing. */
  readonly heldAfter: Zxid;
  /** The epoch has no zxid left. */
  exhausted(): void;
}

/**
 * The way of a write at the leader: made into a transaction, logged and proposed in the same turn,
 * applied in order once a quorum and the own log have it, answered.
 */
export class LeaderWrites implements WritePath {
  private readonly queue = new WriteQueue();
  private readonly results: WriteResults;
  private isTurnOpen = false;
  private turnWallMs = 0;
  private isOver = false;
  /** Who waits for a transaction without owning it; the zxids ascend. */
  private readonly barriers: { readonly zxid: Zxid; readonly owner: BarrierOwner }[] = [];
  /** Syncs of our own clients, to be answered when what was before them is applied. */
  private readonly syncs = new PendingSyncs<BarrierOwner>();
  /** Syncs of learners, to be answered when they are told of what was before them. */
  private readonly learnerSyncs = new PendingSyncs<BarrierOwner>();

  constructor(
    private readonly state: MemberState,
    private readonly epoch: ActiveEpoch,
    private readonly log: TransactionLog,
    private readonly changes: OutstandingChanges,
    private readonly preparer: RequestPreparer,
    private readonly sink: ProposalSink,
    private readonly clock: Clock,
    private readonly latency: LatencyMeter,
    private readonly limits: ServerLimits,
    private readonly listener: AppliedListener,
  ) {
    this.results = new WriteResults(state.tree);
  }

  get outstanding(): number {
    return this.queue.length;
  }

  get isFull(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return this.outstanding >= outstandingMax || this.log.waitingBytes >= outstandingBytesMax;
  }

  get hasRoom(): boolean {
    const { outstandingMax, outstandingBytesMax } = this.limits;
    return (
      this.outstanding * 2 <= outstandingMax && this.log.waitingBytes * 2 <= outstandingBytesMax
    );
  }

  submit(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const zxid = this.openProposal();
    if (zxid === 0) return;
    const writer = this.log.begin();
    const start = writer.position;
    this.preparer.prepare(type, body, origin, zxid, this.turnWallMs, writer);
    this.closeProposal(zxid, writer, start);
    this.queue.push(owner, type, origin.xid, nowMs);
  }

  submitError(
    error: number,
    type: number,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const zxid = this.openProposal();
    if (zxid === 0) return;
    const writer = this.log.begin();
    const start = writer.position;
    this.preparer.prepareError(error, origin, zxid, this.turnWallMs, writer);
    this.closeProposal(zxid, writer, start);
    this.queue.push(owner, type, origin.xid, nowMs);
  }

  waitForApplied(owner: BarrierOwner): void {
    this.barriers.push({ zxid: this.epoch.lastProposed, owner });
  }

  sync(owner: BarrierOwner): boolean {
    this.request(owner, this.syncs);
    return true;
  }

  /** As {@link sync}, for a learner: `owner` hears when all before it was told, and nothing later. */
  syncForLearner(owner: BarrierOwner): void {
    this.request(owner, this.learnerSyncs);
  }

  private request(owner: BarrierOwner, syncs: PendingSyncs<BarrierOwner>): void {
    const ticket = this.isOver ? 0 : this.epoch.requestSync(this.clock.monotonicMs());
    // Without a ticket nobody is answered: this server is about to find out that it does not lead.
    if (ticket > 0) syncs.push(ticket, this.epoch.lastProposed, owner);
    this.openTurn();
  }

  /** The log has `batch`. */
  onDurable(batch: LogBatch): void {
    if (this.isOver || batch.count === 0) return;
    this.epoch.logged(batch.firstZxid + batch.count - 1);
    this.advance();
  }

  /** Tells learners what is committed, applies what may be, and answers what can be. */
  advance(): void {
    if (this.isOver) return;
    const { committed } = this.epoch;
    this.answerLearnerSyncs(committed);
    this.sink.commit(committed);
    const through = this.epoch.applicable;
    const { history, tree } = this.state;
    let transactions = 0;
    let bytes = 0;
    const nowMs = this.clock.monotonicMs();
    while (history.pending > 0 && history.pendingZxid <= through) {
      if (this.syncs.firstAfter < history.pendingZxid) {
        this.answerSyncs(history.pendingZxid - 1, committed);
      }
      history.selectPending();
      bytes += history.end - history.start;
      this.applyOne(nowMs);
      history.settle(this.sink.heldAfter);
      transactions++;
    }
    if (transactions > 0) this.changes.applied(tree.lastZxid);
    if (this.syncs.size > 0) this.answerSyncs(through, committed);
    this.listener.onApplied(transactions, bytes);
  }

  /** The role is over: what waits is never answered. */
  end(): void {
    this.isOver = true;
  }

  private applyOne(nowMs: number): void {
    const { queue, results, state } = this;
    const { bytes, end, start } = state.history;
    const { type, owner, xid } = queue;
    state.lastApplied = state.history.pendingZxid;
    const tookMs = nowMs - queue.started;
    this.latency.note(tookMs);
    queue.shift();
    results.begin(readInt32(bytes, start + TRANSACTION_TYPE_AT));
    state.applier.apply(bytes, start, end, 'trust', results);
    results.finish();
    owner?.onWritten(type, xid, results, tookMs);
    while (this.barriers.length > 0 && this.barriers[0].zxid <= state.tree.lastZxid) {
      this.barriers.shift()?.owner.onApplied();
    }
  }

  private answerSyncs(applied: Zxid, committed: Zxid): void {
    const { confirmedSync } = this.epoch;
    for (;;) {
      const owner = this.syncs.take(applied, committed, confirmedSync);
      if (owner === null) return;
      owner.onApplied();
    }
  }

  private answerLearnerSyncs(committed: Zxid): void {
    const { learnerSyncs, sink } = this;
    while (learnerSyncs.firstAfter <= committed) {
      const after = learnerSyncs.firstAfter;
      const owner = learnerSyncs.take(after, committed, this.epoch.confirmedSync);
      if (owner === null) return;
      sink.commit(after);
      owner.onApplied();
    }
  }

  /** The zxid for the next transaction; 0: there is none any more. */
  private openProposal(): Zxid {
    if (this.isOver) return 0;
    const zxid = this.epoch.nextZxid;
    if (zxid === 0) this.sink.exhausted();
    else this.openTurn();
    return zxid;
  }

  private closeProposal(zxid: Zxid, writer: JuteWriter, start: number): void {
    const { bytes, position } = writer;
    this.state.history.append(zxid, bytes, start, position);
    this.sink.propose(zxid, bytes, start, position);
    this.log.end(zxid);
    this.state.lastLogged = zxid;
    this.epoch.propose(zxid);
  }

  private openTurn(): void {
    if (this.isTurnOpen) return;
    this.isTurnOpen = true;
    this.turnWallMs = this.clock.wallMs();
    // What other sockets have brought in this turn goes to the disk and to the followers with it.
    this.clock.atEndOfTurn(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.isTurnOpen = false;
    if (this.isOver) return;
    if (this.epoch.isConfirmationDue) this.sink.confirm();
    this.sink.flush();
    this.log.flush();
    if (this.syncs.size > 0 || this.learnerSyncs.size > 0) this.advance();
  };
}
