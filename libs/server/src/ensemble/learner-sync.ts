import type { Timer, Zxid } from '@aviary/foundation';
import { TreeSnapshot } from '@aviary/znodes';
import { planSync, type ConnectionId, type SyncPlan } from '@aviary/zab';
import type { LearnerLink } from './learner-link.js';
import type { MemberContext } from './member-context.js';
import { snapshotStreamEnd } from './snapshot-stream.js';

const PIECE_BYTES = 128 * 1024;
/** So much of a snapshot may wait in a socket before the next piece is made. */
const QUEUED_BYTES_MAX = 4 << 20;
const RETRY_MS = 20;

/** Hears how the history of a learner gets on. */
export interface SyncListener {
  moved(to: ConnectionId): void;
  /** Everything up to `through` was written to the connection. */
  sent(to: ConnectionId, through: Zxid): void;
}

/** A snapshot on its way, or waiting for its turn: a tree is written out by one at a time. */
interface Transfer {
  snapshot: TreeSnapshot | null;
  timer: Timer | null;
  isWaitingForDrain: boolean;
}

/** Brings learners up to date: what they miss from memory, or a snapshot of the tree. */
export class LearnerSync {
  private readonly transfers = new Map<LearnerLink, Transfer>();

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
    const { history, lastApplied } = this.member.state;
    const length = Math.max(history.indexAfter(committed), history.length);
    const window = { length, zxidAt: (index: number) => history.zxidAt(index) };
    const plan = planSync(peer, {
      lastProcessed: length > history.length ? history.zxidAt(length - 1) : lastApplied,
      committed: window,
      log: null,
      logBytesMax: 0,
    });
    if (plan.kind === 'diff' || plan.kind === 'trunc') this.sendHistory(link, plan);
    else {
      this.transfers.set(link, { snapshot: null, timer: null, isWaitingForDrain: false });
      this.goOn(link);
    }
  }

  /** The connection is gone. */
  stop(link: LearnerLink): void {
    const transfer = this.transfers.get(link);
    if (transfer === undefined) return;
    this.transfers.delete(link);
    transfer.timer?.cancel();
    if (transfer.snapshot !== null) this.release(transfer.snapshot);
  }

  /** Sends more of a snapshot, if one is on its way. */
  goOn(link: LearnerLink): void {
    const transfer = this.transfers.get(link);
    if (transfer?.timer !== null) return;
    if (transfer.snapshot === null && !this.begin(link, transfer)) return;
    const { snapshot } = transfer;
    if (snapshot === null || link.queuedBytes > QUEUED_BYTES_MAX) return;
    const piece = snapshot.next();
    if (piece !== null) {
      link.raw(piece);
      this.listener.moved(link.id);
      this.later(link, transfer, 0);
      return;
    }
    link.raw(snapshotStreamEnd());
    this.transfers.delete(link);
    this.release(snapshot);
    this.listener.sent(link.id, snapshot.zxid);
  }

  /** Starts the snapshot, unless another one is being written: then it is tried again. */
  private begin(link: LearnerLink, transfer: Transfer): boolean {
    const { storage, state } = this.member;
    if (!storage.lendTree()) {
      this.later(link, transfer, RETRY_MS);
      return false;
    }
    const snapshot = new TreeSnapshot(state.tree, PIECE_BYTES);
    transfer.snapshot = snapshot;
    this.member.ports.log.info(`${link.name} gets a snapshot of ${state.tree.nodes.size} znodes.`);
    link.begin('snap', snapshot.zxid);
    return true;
  }

  private release(snapshot: TreeSnapshot): void {
    snapshot.close();
    this.member.storage.takeBackTree();
  }

  private later(link: LearnerLink, transfer: Transfer, delayMs: number): void {
    transfer.timer = this.member.ports.clock.setTimer(delayMs, () => {
      transfer.timer = null;
      this.goOn(link);
    });
  }

  private sendHistory(
    link: LearnerLink,
    plan: Extract<SyncPlan, { kind: 'diff' | 'trunc' }>,
  ): void {
    const { history } = this.member.state;
    link.begin(plan.kind, plan.zxid);
    let sent = 0;
    for (let index = history.indexAfter(plan.after); index < history.size; index++) {
      const zxid = history.zxidAt(index);
      if (zxid > plan.through) break;
      history.select(index);
      link.proposal(zxid, history.bytes, history.start, history.end);
      link.commit(zxid);
      sent++;
    }
    const { log } = this.member.ports;
    log.info(`${link.name} gets ${plan.kind.toUpperCase()} and ${sent} transactions.`);
    this.listener.sent(link.id, plan.through);
  }
}
