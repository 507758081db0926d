import {
  assert,
  type ByteStream,
  type SocketAddress,
  type StreamHandler,
} from '@aviary/foundation';
import type { EventOwner } from '../time/event-owner.js';
import type { Fabric } from './fabric.js';
import type { Cargo, Pipe } from './pipe.js';

/** Where a stream belongs. */
export interface StreamOwner {
  /** Name of the host. */
  readonly host: string;
  readonly owner: EventOwner;
  /** Told when the stream comes into being. */
  adopt(stream: SimulatedStream): void;
  /** Told when the process or the kernel is done with the stream. */
  forget(stream: SimulatedStream): void;
}

/** The reason of `onClosed` when a connection broke; `code` as Node names it. */
export class StreamError extends Error {
  /** `ECONNRESET`: the peer aborted or does not know the connection. `ETIMEDOUT`: it is silent. */
  readonly code: 'ECONNRESET' | 'ETIMEDOUT';

  constructor(code: 'ECONNRESET' | 'ETIMEDOUT', remote: SocketAddress) {
    super(`connection with ${remote.address}:${remote.port}: ${code}`);
    this.name = new.target.name;
    this.code = code;
  }
}

/** How much one `onBytes` hands over at most. */
export const READ_BYTES_MAX = 64 * 1024;

/** How long a stream that has ended waits for the end of its peer, as the real ones do. */
const LINGER_MS = 2000;

/** What the read buffer is filled with after each call, so that who kept it notices. */
const SCRIBBLE = 0xdb;

/** One end of a simulated TCP connection. */
export class SimulatedStream implements ByteStream {
  readonly remote: SocketAddress;
  private readonly fabric: Fabric;
  private readonly home: StreamOwner;
  private peer: SimulatedStream | null = null;
  private outgoing: Pipe | null = null;
  private incoming: Pipe | null = null;
  private opened: (() => void) | null;
  private handler: StreamHandler | null = null;
  private isStarted = false;
  private isPaused = false;
  private readIsDue = false;
  private hasEnded = false;
  private peerHasEnded = false;
  /** Set by a reset. A socket that is not read notices only when it is used. */
  private broken: StreamError | null = null;
  /** `open`: the process has it. `closing`: `onClosed` is due. `closed`: it was called. */
  private state: 'open' | 'closing' | 'closed' = 'open';
  /** Whether the kernel answers what still comes with a reset. */
  private isGone = false;

  /** `opened`: what happens when the handshake is complete at the side that accepts. */
  constructor(
    fabric: Fabric,
    home: StreamOwner,
    remote: SocketAddress,
    opened: (() => void) | null = null,
  ) {
    this.fabric = fabric;
    this.home = home;
    this.remote = remote;
    this.opened = opened;
    home.adopt(this);
  }

  get host(): string {
    return this.home.host;
  }

  /** The stream at the other end. */
  get peerStream(): SimulatedStream | null {
    return this.peer;
  }

  get queuedBytes(): number {
    return this.outgoing?.queuedBytes ?? 0;
  }

  /** Joins the stream to the one at the other end. */
  attach(peer: SimulatedStream, outgoing: Pipe, incoming: Pipe): void {
    this.peer = peer;
    this.outgoing = outgoing;
    this.incoming = incoming;
  }

  start(handler: StreamHandler): void {
    assert(!this.isStarted, 'a stream is started once');
    this.isStarted = true;
    this.isPaused = false;
    this.handler = handler;
    if (this.state === 'closed') this.home.owner.post(0, () => this.tellClosed(null));
    else this.wakeReader();
  }

  write(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (this.state !== 'open' || this.hasEnded || !this.home.owner.isAlive) return true;
    if (this.broken !== null) {
      this.closeSoon(this.broken);
      return true;
    }
    return this.outgoing?.write(bytes.subarray(start, end)) ?? true;
  }

  pause(): void {
    if (!this.hasEnded) this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.wakeReader();
  }

  end(): void {
    if (this.state !== 'open' || this.hasEnded || !this.home.owner.isAlive) return;
    this.hasEnded = true;
    this.resume();
    if (this.broken !== null) this.closeSoon(this.broken);
    else this.outgoing?.end();
  }

  destroy(): void {
    if (this.state !== 'open' || !this.home.owner.isAlive) return;
    this.closeKernelSide();
    this.closeSoon(null);
  }

  /** What the operating system does with the socket when its process ends: as `destroy`. */
  abandon(): void {
    if (!this.isGone) this.closeKernelSide();
    this.state = 'closed';
    this.handler = null;
  }

  /** The machine is off: the peer learns nothing. */
  vanish(): void {
    this.isGone = true;
    this.state = 'closed';
    this.handler = null;
    this.outgoing?.discardUnsent();
    this.home.forget(this);
  }

  /** Whether the kernel takes what arrives; if not, it answers with a reset. */
  takesSegment(cargo: Cargo): boolean {
    if (!this.home.owner.isAlive && cargo !== 'fin') return false;
    // After an orderly close the answer to our end is expected; bytes are not.
    if (cargo === 'fin') return !this.isGone || this.outgoing?.isFinished === true;
    return !this.isGone;
  }

  onOpened(): void {
    const opened = this.opened;
    this.opened = null;
    opened?.();
  }

  /** Nobody accepts the connection any more. */
  refuse(): void {
    this.isGone = true;
    this.state = 'closed';
    this.reset();
    this.home.forget(this);
  }

  /** Bytes or the end have arrived in the kernel. */
  onReadable(): void {
    this.wakeReader();
  }

  /** The queue has left. */
  onFlushed(): void {
    this.home.owner.post(0, () => {
      if (this.state === 'open' && this.queuedBytes === 0) this.handler?.onDrained();
    });
  }

  /** Our end was sent, after everything. The peer has some time to close, too. */
  onFinished(): void {
    if (this.isGone) return;
    if (this.peerHasEnded) {
      this.isGone = true;
      this.closeSoon(null);
    } else {
      this.home.owner.post(LINGER_MS * 1000, () => this.destroy(), true);
    }
  }

  /** The connection is lost; what was on its way is, too. */
  onBroken(code: StreamError['code']): void {
    if (this.isGone) return;
    this.isGone = true;
    this.broken = new StreamError(code, this.remote);
    this.incoming?.discardUnread();
    this.outgoing?.discardUnsent();
    this.fabric.note('reset', this.host, this.remote.port);
    this.wakeReader();
  }

  private get isReading(): boolean {
    return (this.isStarted || this.hasEnded) && !this.isPaused && this.state === 'open';
  }

  private wakeReader(): void {
    if (this.readIsDue || !this.isReading) return;
    if (this.broken === null && this.incoming?.isReadable !== true) return;
    if (this.peerHasEnded) return;
    this.readIsDue = true;
    this.home.owner.post(0, () => {
      this.readIsDue = false;
      if (this.isReading) this.readOnce();
    });
  }

  /** One turn of the event loop: one call of the handler. */
  private readOnce(): void {
    const incoming = this.incoming;
    if (this.broken !== null) {
      this.close(this.broken);
    } else if (incoming !== null && incoming.unreadBytes > 0) {
      this.deliver(incoming);
      this.wakeReader();
    } else if (incoming?.isAtEnd === true) {
      // Like Node's sockets, a stream whose peer has ended ends itself.
      this.peerHasEnded = true;
      if (this.outgoing?.isFinished === true) this.onFinished();
      else this.end();
    }
  }

  /** Hands over what has arrived; after an end it is read only to keep the connection sound. */
  private deliver(incoming: Pipe): void {
    const { readBuffer, random, model } = this.fabric;
    const start = random.below(16);
    let length = Math.min(incoming.unreadBytes, READ_BYTES_MAX);
    if (random.chance(model.shortReadProbability)) length = random.between(1, length);
    const end = start + incoming.read(readBuffer, start, length);
    this.fabric.note('read', this.host, this.remote.port);
    this.fabric.trace.noteBytes(readBuffer, start, end);
    if (!this.hasEnded) this.handler?.onBytes(readBuffer, start, end);
    readBuffer.fill(SCRIBBLE, start, end);
  }

  private closeKernelSide(): void {
    this.isGone = true;
    if (this.broken === null) {
      this.outgoing?.endWithoutQueue();
      // A kernel resets a connection that is closed with bytes unread; the reset may overtake.
      if (this.incoming !== null && this.incoming.unreadBytes > 0) this.reset();
    }
    this.home.forget(this);
  }

  private reset(): void {
    if (this.fabric.random.chance(0.5)) this.outgoing?.discardUnsent();
    if (this.peer !== null) this.fabric.sendReset(this.host, this.peer);
  }

  private closeSoon(reason: Error | null): void {
    this.state = 'closing';
    this.home.owner.post(0, () => this.close(reason));
  }

  private close(reason: Error | null): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.home.forget(this);
    this.fabric.note('closed', this.host, this.remote.port);
    this.tellClosed(reason);
  }

  private tellClosed(reason: Error | null): void {
    const handler = this.handler;
    this.handler = null;
    handler?.onClosed(reason);
  }
}
