import { Socket } from 'node:net';
import type { ByteStream, SocketAddress, StreamHandler } from '@aviary/foundation';

const READ_BUFFER_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** How long a stream that has ended waits for its peer to close too, in milliseconds. */
const LINGER_MS = 2000;

/**
 * Every socket of the process reads into this one buffer. A read is handled to its end before the
 * next one starts, so nothing is shared in time; and a read costs no allocation, which is a
 * quarter of the whole cost of a small request. It is no Buffer: the `slice` of one is a view, and
 * a reader that keeps bytes means to copy them.
 */
const readBuffer = new Uint8Array(READ_BUFFER_BYTES);

const streamOf = Symbol('stream');

interface OwnedSocket extends Socket {
  [streamOf]?: SocketStream;
}

/** Shared by all sockets: Node calls it with the socket as `this`. */
function onSocketRead(this: unknown, bytesRead: number): boolean {
  (this as OwnedSocket)[streamOf]?.deliver(readBuffer, bytesRead);
  return true;
}

const onread = { buffer: readBuffer, callback: onSocketRead };

function onSocketData(this: OwnedSocket, chunk: Buffer): void {
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
  this[streamOf]?.deliver(bytes, bytes.length);
}

function onSocketError(this: OwnedSocket, error: Error): void {
  this[streamOf]?.failed(error);
}

function onSocketClose(this: OwnedSocket): void {
  this[streamOf]?.closed();
}

/** Options that make a new outgoing socket read the way {@link SocketStream} needs. */
export const outgoingSocketOptions = { onread } as const;

interface ReadingHandle {
  useUserBuffer?: (buffer: Uint8Array) => void;
}

interface AcceptedSocket extends Socket {
  _handle: ReadingHandle | null | undefined;
  [key: symbol]: unknown;
}

/** Where a socket keeps what the option `onread` chose; undefined if this Node keeps it elsewhere. */
function onreadFields(): { readonly buffer: symbol; readonly callback: symbol } | undefined {
  const fields = Object.getOwnPropertySymbols(new Socket());
  const buffer = fields.find(({ description }) => description === 'kBuffer');
  const callback = fields.find(({ description }) => description === 'kBufferCb');
  return buffer && callback && { buffer, callback };
}

const fields = onreadFields();

/**
 * Takes over a socket that a server accepted with `pauseOnConnect`.
 *
 * `net.Server` has no option to choose the read buffer of what it accepts, and to move the connection
 * to a second socket that has one costs a quarter of a new session. So the socket is given what its
 * constructor would have set. Where a future Node keeps that elsewhere, it is used as it is: every
 * read allocates then, and all is right.
 */
export function adoptAccepted(socket: Socket): SocketStream {
  const accepted = socket as AcceptedSocket;
  const handle = accepted._handle;
  if (fields === undefined || typeof handle?.useUserBuffer !== 'function')
    return adoptWhole(socket);
  accepted[fields.buffer] = readBuffer;
  accepted[fields.callback] = onSocketRead;
  handle.useUserBuffer(readBuffer);
  return new SocketStream(socket);
}

/** Takes a paused socket as it is: every read allocates. */
export function adoptWhole(accepted: Socket): SocketStream {
  const stream = new SocketStream(accepted);
  accepted.on('data', onSocketData);
  return stream;
}

const IPV4_IN_IPV6 = '::ffff:';

/** An IPv4 peer of a socket that listens on IPv6 too is shown by its IPv4 address. */
function plainAddress(address: string): string {
  const isMapped = address.startsWith(IPV4_IN_IPV6) && address.includes('.');
  return isMapped ? address.slice(IPV4_IN_IPV6.length) : address;
}

/** A TCP socket as a {@link ByteStream}. */
export class SocketStream implements ByteStream {
  readonly remote: SocketAddress;
  private readonly socket: OwnedSocket;
  private handler: StreamHandler | null = null;
  private reason: Error | null = null;
  private awaitsDrain = false;
  private isEnding = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.remote = {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    this.socket[streamOf] = this;
    socket.on('error', onSocketError);
    socket.on('close', onSocketClose);
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  start(handler: StreamHandler): void {
    this.handler = handler;
    if (this.socket.closed) process.nextTick(() => this.closed());
    else this.socket.resume();
  }

  write(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (!this.socket.writable) return true;
    this.socket.write(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
    if (this.socket.writableLength === 0) return true;
    this.watchDrain();
    return false;
  }

  pause(): void {
    if (!this.isEnding) this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.socket.end(() => this.linger());
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Hands over what was just read: the first bytes of `buffer`. */
  deliver(buffer: Uint8Array, bytesRead: number): void {
    if (!this.isEnding) this.handler?.onBytes(buffer, 0, bytesRead);
  }

  failed(error: Error): void {
    this.reason ??= error;
  }

  closed(): void {
    this.handler?.onClosed(this.reason);
    this.handler = null;
  }

  /**
   * Waits for the peer to close too, for a while. To close with bytes of the peer unread would reset
   * the connection, and what was sent last might never arrive.
   */
  private linger(): void {
    if (this.socket.closed) return;
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS);
    this.socket.once('close', () => clearTimeout(timer));
  }

  /** The 'drain' event fires only above the high-water mark; an empty write reports every drain. */
  private watchDrain(): void {
    if (this.awaitsDrain) return;
    this.awaitsDrain = true;
    this.socket.write(NOTHING, (error) => {
      this.awaitsDrain = false;
      if (error) return;
      if (this.socket.writableLength > 0) this.watchDrain();
      else this.handler?.onDrained();
    });
  }
}
