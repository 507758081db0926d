import type { Clock, Zxid } from '@aviary/foundation';
import type { DataDirectory, HistorySection } from '@aviary/storage';
import type { LearnerLink } from './learner-link.js';
import { QUEUED_BYTES_MAX, RETRY_MS, type Transfer } from './transfer.js';

/** Of the newest snapshot, so much may be sent of the logs instead (`zookeeper.snapshotSizeFactor`). */
const SNAPSHOT_SIZE_FACTOR = 0.33;
/** Read in one go: about a millisecond of work between two requests. */
const SLICE_BYTES = 256 * 1024;

/** What the logs have for a learner, and how much of that may be sent. */
export interface LogOffer {
  readonly log: HistorySection;
  readonly logBytesMax: number;
}

/**
 * Transactions on their way from the logs on the disk to a learner.
 *
 * They are read in slices, each when there is room in the socket, and between two of them everything
 * else has its turn. Meanwhile the log grows, and memory forgets its oldest transactions; but it keeps
 * what was applied after the transfer began, so that reading comes to where memory goes on.
 */
export class LogTransfer implements Transfer {
  /** Transactions that were sent. */
  count = 0;
  /** Whether the learner was told how it is brought up to date: there is no other way then. */
  hasBegun = false;
  private isOver = false;
  private wake: (() => void) | null = null;

  /** @param continues Whether memory has everything behind a transaction. */
  constructor(
    private readonly link: LearnerLink,
    private readonly directory: DataDirectory,
    private readonly clock: Clock,
    private readonly continues: (zxid: Zxid) => boolean,
    private readonly onMoved: () => void,
  ) {}

  /** As a question, since the answer changes while something is waited for. */
  hasStopped(): boolean {
    return this.isOver;
  }

  goOn(): void {
    if (this.link.queuedBytes <= QUEUED_BYTES_MAX) this.resume();
  }

  stop(): void {
    this.isOver = true;
    this.resume();
  }

  /**
   * Looks at the logs between `peer`, where the learner's history ends, and `through`.
   *
   * @throws {StorageError} A log is damaged.
   * @throws {DiskError} A log cannot be read.
   */
  async offer(peer: Zxid, through: Zxid): Promise<LogOffer> {
    const snapshotBytes = (await this.directory.newestSnapshotBytes()) ?? 0;
    const logBytesMax = Math.floor(snapshotBytes * SNAPSHOT_SIZE_FACTOR);
    const limit = logBytesMax === 0 ? Infinity : logBytesMax;
    return { log: await this.directory.inspectHistory(peer, through, limit), logBytesMax };
  }

  /**
   * Sends what the logs have behind `after`, until that is all up to `through` or memory has the rest.
   *
   * @returns The last transaction that was sent, or `after`; null: what comes next is not in the logs
   * any more, or the transfer was stopped.
   * @throws {StorageError} A log is damaged.
   * @throws {DiskError} A log cannot be read.
   */
  async send(after: Zxid, through: Zxid): Promise<Zxid | null> {
    const reader = this.directory.readHistory(after);
    try {
      while (reader.lastZxid < through && !this.continues(reader.lastZxid)) {
        const before = reader.lastZxid;
        const progress = await reader.read(through, SLICE_BYTES, this.take);
        if (this.hasStopped() || progress === 'gone') return null;
        if (progress === 'complete' && reader.lastZxid < through) return null;
        this.link.flush();
        if (reader.lastZxid > before) this.onMoved();
        await this.pause(progress === 'caughtUp' ? RETRY_MS : 0);
        while (this.link.queuedBytes > QUEUED_BYTES_MAX && !this.hasStopped())
          await this.roomInSocket();
        if (this.hasStopped()) return null;
      }
      return reader.lastZxid;
    } finally {
      await reader.close();
    }
  }

  private readonly take = (bytes: Uint8Array, start: number, end: number, zxid: Zxid): void => {
    if (this.hasStopped()) return;
    this.link.proposal(zxid, bytes, start, end);
    this.link.commit(zxid);
    this.count++;
  };

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimer(delayMs, resolve));
  }

  private roomInSocket(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  private resume(): void {
    const { wake } = this;
    this.wake = null;
    wake?.();
  }
}
