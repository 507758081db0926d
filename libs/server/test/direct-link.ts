import type { ByteStream, SocketAddress, StreamHandler } from '@aviary/foundation';

/** What the host's buffer holds after each call, so that who kept a view of it notices. */
const SCRIBBLE = 0xdb;

/** Runs something later, from the event loop of the process. */
export type Post = (action: () => void) => void;

/** The server's end of a {@link DirectLink}. */
class ServerEnd implements ByteStream {
  queuedBytes = 0;
  isPaused = false;
  isClosed = false;
  hasEnded = false;
  handler: StreamHandler | null = null;
  private queue: Uint8Array[] = [];

  constructor(
    readonly remote: SocketAddress,
    private readonly link: DirectLink,
    private readonly post: Post,
  ) {}

  start(handler: StreamHandler): void {
    this.handler = handler;
  }

  write(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (this.isClosed || this.hasEnded) return true;
    if (this.link.isReading && this.queuedBytes === 0) {
      this.link.take(bytes.slice(start, end));
      return true;
    }
    this.queue.push(bytes.subarray(start, end));
    this.queuedBytes += end - start;
    return false;
  }

  pause(): void {
    if (!this.isPaused) this.link.pauses++;
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.post(() => this.link.pump());
  }

  end(): void {
    this.hasEnded = true;
    if (this.queuedBytes === 0) this.destroy();
  }

  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.queue = [];
    this.queuedBytes = 0;
    this.post(() => this.tellClosed());
  }

  /** The kernel takes up to `limit` of what is queued. */
  drain(limit: number): void {
    if (this.queuedBytes === 0) return;
    for (let left = limit; left > 0 && this.queue.length > 0;) {
      const [first, ...rest] = this.queue as [Uint8Array, ...Uint8Array[]];
      const taken = first.subarray(0, left);
      this.link.take(taken.slice());
      left -= taken.length;
      this.queuedBytes -= taken.length;
      this.queue = taken.length < first.length ? [first.subarray(taken.length), ...rest] : rest;
    }
    if (this.queuedBytes > 0) return;
    if (this.hasEnded) this.destroy();
    else this.handler?.onDrained();
  }

  tellClosed(): void {
    const { handler } = this;
    this.handler = null;
    handler?.onClosed(null);
  }
}

/**
 * A connection between a test and a server, without a network: each {@link send} is one chunk that
 * is handled before it returns, and the test says what the kernel takes of what the server writes.
 */
export class DirectLink {
  readonly server: ServerEnd;
  /** How often the server stopped reading. */
  pauses = 0;
  /** Whether the kernel takes what the server writes. */
  isReading = true;
  private readonly unread: Uint8Array[] = [];
  private onReceived: ((bytes: Uint8Array) => void) | null = null;

  constructor(remote: SocketAddress, post: Post) {
    this.server = new ServerEnd(remote, this, post);
  }

  get isClosed(): boolean {
    return this.server.isClosed;
  }

  /** Bytes that the client sent and the server has not read. */
  get unreadBytes(): number {
    return this.unread.reduce((sum, { length }) => sum + length, 0);
  }

  /** Sends one chunk. */
  send(bytes: Uint8Array): void {
    this.unread.push(Uint8Array.from(bytes));
    this.pump();
  }

  /** The client closes. */
  drop(): void {
    if (this.server.isClosed) return;
    this.server.isClosed = true;
    this.server.tellClosed();
  }

  /** The client stops to read; what the server writes is queued. */
  stopReading(): void {
    this.isReading = false;
  }

  /** The client reads `bytes` of what is queued for it, and no more. */
  read(bytes: number): void {
    this.server.drain(bytes);
  }

  /** The client reads on: everything that is queued leaves at once. */
  startReading(): void {
    this.isReading = true;
    this.server.drain(Infinity);
  }

  /** Where what the server sends goes. */
  whenReceived(listener: (bytes: Uint8Array) => void): void {
    this.onReceived = listener;
  }

  take(bytes: Uint8Array): void {
    this.onReceived?.(bytes);
  }

  /** Hands over what is unread, until the server pauses. */
  pump(): void {
    const { server } = this;
    while (!server.isPaused && !server.isClosed && !server.hasEnded) {
      const chunk = this.unread.shift();
      if (chunk === undefined) return;
      server.handler?.onBytes(chunk, 0, chunk.length);
      chunk.fill(SCRIBBLE);
    }
  }
}
