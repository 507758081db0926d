import type { Timer, Zxid } from '@aviary/foundation';
import { TreeSnapshot } from '@aviary/znodes';
import type { LearnerLink } from './learner-link.js';
import type { MemberContext } from './member-context.js';
import { snapshotStreamEnd } from './snapshot-stream.js';
import { QUEUED_BYTES_MAX, RETRY_MS, type Transfer } from './transfer.js';

const PIECE_BYTES = 128 * 1024;

/** A snapshot on its way, or waiting for its turn: a tree is written out by one at a time. */
export class SnapshotTransfer implements Transfer {
  private snapshot: TreeSnapshot | null = null;
  private timer: Timer | null = null;
  private isStopped = false;

  /** @param onSent Hears that the whole snapshot was written to the connection. */
  constructor(
    private readonly link: LearnerLink,
    private readonly member: MemberContext,
    private readonly onMoved: () => void,
    private readonly onSent: (zxid: Zxid) => void,
  ) {}

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.timer?.cancel();
    this.release();
  }

  goOn(): void {
    if (this.timer !== null || this.isStopped) return;
    if (this.snapshot === null && !this.begin()) return;
    const { link, snapshot } = this;
    if (snapshot === null || link.queuedBytes > QUEUED_BYTES_MAX) return;
    const piece = snapshot.next();
    if (piece !== null) {
      link.raw(piece);
      this.onMoved();
      this.later(0);
      return;
    }
    link.raw(snapshotStreamEnd());
    this.stop();
    this.onSent(snapshot.zxid);
  }

  /** Starts the snapshot, unless another one is being written: then it is tried again. */
  private begin(): boolean {
    const { link, member } = this;
    const { storage, state } = member;
    if (!storage.lendTree()) {
      this.later(RETRY_MS);
      return false;
    }
    const snapshot = new TreeSnapshot(state.tree, PIECE_BYTES);
    this.snapshot = snapshot;
    member.ports.log.info(`${link.name} gets a snapshot of ${state.tree.nodes.size} znodes.`);
    link.begin('snap', snapshot.zxid);
    return true;
  }

  private release(): void {
    if (this.snapshot === null) return;
    this.snapshot.close();
    this.member.storage.takeBackTree();
  }

  private later(delayMs: number): void {
    this.timer = this.member.ports.clock.setTimer(delayMs, () => {
      this.timer = null;
      this.goOn();
    });
  }
}
