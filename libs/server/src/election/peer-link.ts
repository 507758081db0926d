import type { ByteStream, Clock, StreamHandler, Timer } from '@aviary/foundation';
import {
  NotificationReader,
  PeerWireError,
  type NotificationMessage,
  type NotificationSink,
} from '@aviary/protocol';
import type { LinkFailure, ServerId } from '@aviary/zab';
import { errorCode } from './error-code.js';

/** Bytes that a peer may send at once: more than its longest message. */
const BURST_BYTES = 1 << 20;
/** Bytes per second that a peer may send for long; an election takes a few kilobytes of each. */
const BYTES_PER_SECOND = 256 << 10;

/** The end of an established connection. An abort is no silence: the peer's host is there. */
const RESET_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** What a {@link PeerLink} tells of. */
export interface LinkOwner {
  onNotification(link: PeerLink, message: NotificationMessage): void;
  /** A message made no sense, and the connection goes on. */
  onIgnored(link: PeerLink, reason: string): void;
  /** What came is no message: the connection is closed. */
  onBroken(link: PeerLink, reason: string): void;
  /** The peer sends more than an election takes, and is slowed down. */
  onFlood(link: PeerLink): void;
  /** The last call, unless the link was dropped or retired. */
  onLinkClosed(link: PeerLink, failure: LinkFailure): void;
}

/**
 * An established election connection to one peer.
 *
 * Of what is to be sent the newest message is kept while the socket takes none, as in
 * QuorumCnxManager.SEND_CAPACITY; of what comes, no more is taken than {@link BYTES_PER_SECOND}.
 * So the memory of a link is that of one message each way, plus one in the socket.
 */
export class PeerLink implements StreamHandler, NotificationSink {
  readonly sinceMs: number;
  private readonly reader = new NotificationReader(this);
  private waiting: Uint8Array | null = null;
  private budgetBytes = BURST_BYTES;
  private budgetAtMs: number;
  private timer: Timer | null = null;
  private isOver = false;

  constructor(
    readonly peer: ServerId,
    private readonly stream: ByteStream,
    /** Whether the connection was begun by us. */
    readonly isOutgoing: boolean,
    private readonly clock: Clock,
    private readonly owner: LinkOwner,
  ) {
    this.sinceMs = clock.monotonicMs();
    this.budgetAtMs = this.sinceMs;
  }

  /** Where the peer is, for people. */
  get remoteAddress(): string {
    return this.stream.remote.address;
  }

  /** Sends a message, or keeps it in place of the one that waits. It must not change any more. */
  send(frame: Uint8Array): void {
    if (this.stream.queuedBytes > 0) this.waiting = frame;
    else this.stream.write(frame);
  }

  /** Closes at once; the owner is told nothing more. */
  drop(): void {
    this.isOver = true;
    this.timer?.cancel();
    this.stream.destroy();
  }

  /**
   * Another connection has taken over: the owner is told nothing more, and the peer, who knows which
   * one is the newer, has `graceMs` to close this one.
   */
  retire(graceMs: number): void {
    this.isOver = true;
    this.timer?.cancel();
    this.stream.resume();
    this.timer = this.clock.setTimer(graceMs, () => this.stream.destroy());
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.isOver || start === end) return;
    this.spend(end - start);
    try {
      this.reader.push(bytes, start, end);
    } catch (error) {
      if (!(error instanceof PeerWireError)) throw error;
      this.drop();
      this.owner.onBroken(this, error.message);
      this.owner.onLinkClosed(this, 'lost');
    }
  }

  onDrained(): void {
    const { waiting } = this;
    if (waiting === null || this.stream.queuedBytes > 0) return;
    this.waiting = null;
    this.stream.write(waiting);
  }

  onClosed(reason: Error | null): void {
    this.timer?.cancel();
    if (this.isOver) return;
    this.isOver = true;
    const wasReset = reason !== null && RESET_CODES.has(errorCode(reason));
    this.owner.onLinkClosed(this, wasReset ? 'reset' : 'lost');
  }

  onNotification(message: NotificationMessage): void {
    if (!this.isOver) this.owner.onNotification(this, message);
  }

  onIgnored(reason: string): void {
    if (!this.isOver) this.owner.onIgnored(this, reason);
  }

  /** Who has sent too much is not read until it may send again: it waits, and nothing is lost. */
  private spend(count: number): void {
    const nowMs = this.clock.monotonicMs();
    const earned = ((nowMs - this.budgetAtMs) * BYTES_PER_SECOND) / 1000;
    this.budgetBytes = Math.min(BURST_BYTES, this.budgetBytes + earned) - count;
    this.budgetAtMs = nowMs;
    if (this.budgetBytes >= 0 || this.timer !== null) return;
    this.owner.onFlood(this);
    this.stream.pause();
    const owedMs = (-this.budgetBytes / BYTES_PER_SECOND) * 1000;
    this.timer = this.clock.setTimer(owedMs, () => {
      this.timer = null;
      this.stream.resume();
    });
  }
}
