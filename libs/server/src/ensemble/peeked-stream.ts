import type { ByteStream, Clock, SocketAddress, StreamHandler } from '@aviary/foundation';

const HEAD_BYTES = 4;
/** A handshake has 45 bytes; what is sent behind it before the answer is not much. */
const PEEKED_BYTES_MAX = 16 * 1024;
const NOTHING = new Uint8Array(0);

/** What is told of a stream before it has an owner. */
export interface PeekListener {
  /** The first four bytes are there. */
  onHead(head: Uint8Array): void;
  /** It has closed. */
  onGone(): void;
}

/**
 * A stream whose beginning is looked at before it has an owner. Who starts it then gets everything,
 * from the first byte on.
 */
export class PeekedStream implements ByteStream, StreamHandler {
  private bytes: Uint8Array = NOTHING;
  private hasHead = false;
  private handler: StreamHandler | null = null;
  /** Whether the owner has still to get what was read before it came. */
  private isBehind = true;
  private isPaused = false;
  private isClosed = false;
  private reason: Error | null = null;

  constructor(
    private readonly stream: ByteStream,
    private readonly clock: Clock,
    private readonly listener: PeekListener,
  ) {}

  /** Begins to read: who does not read does not see that the peer has gone. */
  peek(): void {
    this.stream.start(this);
  }

  get remote(): SocketAddress {
    return this.stream.remote;
  }

  get queuedBytes(): number {
    return this.stream.queuedBytes;
  }

  start(handler: StreamHandler): void {
    this.handler = handler;
    this.catchUpSoon();
  }

  write(bytes: Uint8Array, start?: number, end?: number): boolean {
    return this.stream.write(bytes, start, end);
  }

  pause(): void {
    this.isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    this.isPaused = false;
    if (this.isBehind) this.catchUpSoon();
    else this.stream.resume();
  }

  end(): void {
    this.stream.end();
  }

  destroy(): void {
    this.stream.destroy();
  }

  private catchUpSoon(): void {
    this.clock.atEndOfTurn(() => this.catchUp());
  }

  private catchUp(): void {
    const { bytes, handler } = this;
    if (handler === null || !this.isBehind || (this.isPaused && !this.isClosed)) return;
    this.isBehind = false;
    this.bytes = NOTHING;
    if (this.isClosed) {
      handler.onClosed(this.reason);
      return;
    }
    if (bytes.length > 0) handler.onBytes(bytes, 0, bytes.length);
    if (!this.isPaused) this.stream.resume();
  }

  // From the stream:

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.isBehind) this.keep(bytes, start, end);
    else this.handler?.onBytes(bytes, start, end);
  }

  onDrained(): void {
    this.handler?.onDrained();
  }

  onClosed(reason: Error | null): void {
    this.isClosed = true;
    this.reason = reason;
    if (this.handler === null) this.listener.onGone();
    else if (this.isBehind) this.catchUpSoon();
    else this.handler.onClosed(reason);
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    const before = this.bytes;
    const length = before.length + end - start;
    if (length > PEEKED_BYTES_MAX) {
      this.stream.destroy();
      return;
    }
    this.bytes = new Uint8Array(length);
    this.bytes.set(before);
    this.bytes.set(bytes.subarray(start, end), before.length);
    if (this.hasHead || length < HEAD_BYTES) return;
    this.hasHead = true;
    this.listener.onHead(this.bytes.subarray(0, HEAD_BYTES));
  }
}
