import { DiskError, type Zxid } from '@aviary/foundation';
import { StorageError } from '@aviary/storage';
import { planSync, type ConnectionId, type SyncPlan, type SyncSources } from '@aviary/zab';
import type { LearnerLink } from './learner-link.js';
import { LogTransfer } from './log-transfer.js';
import type { MemberContext } from './member-context.js';
import { SnapshotTransfer } from './snapshot-transfer.js';
import type { Transfer } from './transfer.js';

/** Hears how the history of a learner gets on. */
export interface SyncListener {
  moved(to: ConnectionId): void;
  /** Everything up to `through` was written to the connection. */
  sent(to: ConnectionId, through: Zxid): void;
  /** What was begun cannot be completed: the learner has to come again. */
  failed(to: ConnectionId, reason: string): void;
}

/** What a learner is to be told, once everything is known that this depends on. */
type Decision = Exclude<SyncPlan, { kind: 'needsLog' }>;

/**
 * Brings learners up to date: with what they miss, from memory or from the logs on the disk, or with a
 * snapshot of the tree.
 */
export class LearnerSync {
  private readonly transfers = new Map<LearnerLink, Transfer>();
  private readonly readers = new Set<Promise<void>>();
  private isLogReadable = true;

  constructor(
    private readonly member: MemberContext,
    private readonly listener: SyncListener,
  ) {}

  /**
   * Sends a learner whose log ends with `peer` what it misses.
   *
   * @param committed Up to where learners were told of commits. A leader with a slow disk has not
   * applied all of that: what a quorum of others has logged must not be cut from any of them.
   */
  bring(link: LearnerLink, peer: Zxid, committed: Zxid): void {
    const sources = this.sourcesUpTo(committed);
    const log = this.isLogReadable ? undefined : null;
    const plan = planSync(peer, { ...sources, log, logBytesMax: 0 });
    if (plan.kind === 'needsLog') this.bringFromLog(link, peer, plan.through, sources);
    else this.carryOut(link, plan);
  }

  /** The connection is gone. */
  stop(link: LearnerLink): void {
    this.transfers.get(link)?.stop();
    this.transfers.delete(link);
  }

  /** Sends more to a learner, if something is on its way. */
  goOn(link: LearnerLink): void {
    this.transfers.get(link)?.goOn();
  }

  /** Resolves when nobody reads the log any more; {@link stop} every learner first. */
  async settled(): Promise<void> {
    await Promise.all(this.readers);
  }

  private sourcesUpTo(committed: Zxid): Pick<SyncSources, 'committed' | 'lastProcessed'> {
    const { history, lastApplied } = this.member.state;
    const length = Math.max(history.indexAfter(committed), history.length);
    if (length === 0) return { committed: windowOf([]), lastProcessed: lastApplied };
    const lastZxid = history.zxidAt(length - 1);
    return {
      committed: { length, zxidAt: (index) => history.zxidAt(index) },
      lastProcessed: length > history.length ? lastZxid : lastApplied,
    };
  }

  private carryOut(link: LearnerLink, plan: Decision): void {
    if (plan.kind === 'snap') return this.sendSnapshot(link);
    link.begin(plan.kind, plan.zxid);
    this.sendRest(link, plan, plan.after, 0);
  }

  private sendSnapshot(link: LearnerLink): void {
    const transfer = new SnapshotTransfer(
      link,
      this.member,
      () => this.listener.moved(link.id),
      (zxid) => {
        this.transfers.delete(link);
        this.listener.sent(link.id, zxid);
      },
    );
    this.transfers.set(link, transfer);
    transfer.goOn();
  }

  /** Sends what memory has of the plan behind `after`. `logged`: what the logs had of it. */
  private sendRest(
    link: LearnerLink,
    plan: Exclude<Decision, { kind: 'snap' }>,
    after: Zxid,
    logged: number,
  ): void {
    const { history } = this.member.state;
    let count = logged;
    for (let index = history.indexAfter(after); index < history.size; index++) {
      const zxid = history.zxidAt(index);
      if (zxid > plan.through) break;
      history.select(index);
      link.proposal(zxid, history.bytes, history.start, history.end);
      link.commit(zxid);
      count++;
    }
    const from = logged > 0 ? `, ${logged} of them from the logs on the disk` : '';
    const { log } = this.member.ports;
    log.info(`${link.name} gets ${plan.kind.toUpperCase()} and ${count} transactions${from}.`);
    this.listener.sent(link.id, plan.through);
  }

  // From the disk:

  private bringFromLog(
    link: LearnerLink,
    peer: Zxid,
    through: Zxid,
    sources: Pick<SyncSources, 'committed' | 'lastProcessed'>,
  ): void {
    const { clock } = this.member.ports;
    const transfer = new LogTransfer(
      link,
      this.member.storage.directory,
      clock,
      (zxid) => this.hasBehind(zxid),
      () => this.listener.moved(link.id),
    );
    this.transfers.set(link, transfer);
    // Memory will have forgotten its oldest transactions when the disk has been read.
    const { committed, lastProcessed } = sources;
    const { length } = committed;
    const ends = length === 0 ? [] : [committed.zxidAt(0), committed.zxidAt(length - 1)];
    const work = async (): Promise<void> => {
      const offer = await transfer.offer(peer, through);
      if (transfer.hasStopped()) return;
      const plan = planSync(peer, { committed: windowOf(ends), lastProcessed, ...offer });
      if (plan.kind === 'diff' || plan.kind === 'trunc') await this.sendLog(link, plan, transfer);
      else this.sendSnapshot(link);
    };
    const reader = work().catch((error: unknown) => this.onUnreadable(link, transfer, error));
    this.readers.add(reader);
    void reader.finally(() => this.readers.delete(reader));
  }

  private async sendLog(
    link: LearnerLink,
    plan: Exclude<Decision, { kind: 'snap' }>,
    transfer: LogTransfer,
  ): Promise<void> {
    transfer.hasBegun = true;
    link.begin(plan.kind, plan.zxid);
    const sent = await transfer.send(plan.after, plan.through);
    if (transfer.hasStopped()) return;
    this.transfers.delete(link);
    if (sent === null) this.listener.failed(link.id, 'what it misses was purged meanwhile');
    else this.sendRest(link, plan, sent, transfer.count);
  }

  /** Memory does for snapshots; the log will be read at the next start, and judged then. */
  private onUnreadable(link: LearnerLink, transfer: LogTransfer, error: unknown): void {
    if (!(error instanceof StorageError || error instanceof DiskError)) throw error;
    this.isLogReadable = false;
    this.member.ports.log.warn(
      `The log cannot be read, so learners that miss much get a snapshot: ${error.message}.`,
    );
    if (transfer.hasStopped()) return;
    if (transfer.hasBegun) this.listener.failed(link.id, 'the log on the disk cannot be read');
    else this.sendSnapshot(link);
  }

  /** Whether memory has everything that comes behind a transaction. */
  private hasBehind(zxid: Zxid): boolean {
    const { history } = this.member.state;
    const index = history.indexAfter(zxid);
    if (index > 0) return true;
    return history.size > 0 && history.zxidAt(0) === zxid + 1;
  }
}

function windowOf(zxids: readonly Zxid[]): SyncSources['committed'] {
  return { length: zxids.length, zxidAt: (index) => zxids[index] };
}
