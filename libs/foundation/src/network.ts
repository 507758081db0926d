/** An address: numeric, without brackets; an IPv4 peer of an IPv6 socket has its IPv4 address. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** What a stream tells its owner. Calls never nest: each comes from the event loop. */
export interface StreamHandler {
  /**
   * `bytes[start..end)` arrived. The buffer belongs to the host and is used again after the call:
   * copy what must be kept.
   */
  onBytes(bytes: Uint8Array, start: number, end: number): void;

  /** What was queued by `write` has left, after `queuedBytes` had been above zero. */
  onDrained(): void;

  /**
   * The last call: the stream is closed, by either side, or broke (then with the reason). A peer
   * that closes its half is a peer that closed.
   */
  onClosed(reason: Error | null): void;
}

/** A connected byte stream: a TCP or TLS socket, or a simulated one. */
export interface ByteStream {
  readonly remote: SocketAddress;

  /** Bytes written and not yet taken by the operating system. */
  readonly queuedBytes: number;

  /** Starts the flow of events to `handler`; called once. */
  start(handler: StreamHandler): void;

  /**
   * Sends `bytes[start..end)`, by default all of them, after all earlier ones.
   *
   * @returns true: the bytes were taken, the caller may reuse the buffer at once. false: the
   * stream keeps the buffer until it is sent; the caller must not touch it again. Once either side
   * has closed, or `end` was called, bytes are dropped: true.
   */
  write(bytes: Uint8Array, start?: number, end?: number): boolean;

  /** Stops `onBytes` until {@link resume}; the peer feels it as TCP back-pressure. */
  pause(): void;
  resume(): void;

  /**
   * Sends what is queued, then closes, whether the peer does or not; no more `onBytes`. A peer that
   * does not read holds it up: who waits for `onClosed` sets a limit and then calls {@link destroy}.
   */
  end(): void;

  /** Closes at once; what is queued is lost. `onClosed` follows. */
  destroy(): void;
}

/** A port that accepts streams. */
export interface Listener {
  /** Where it listens; the port is the real one when 0 was asked for. */
  readonly local: SocketAddress;

  /** Stops accepting. Streams already accepted live on. */
  close(): Promise<void>;
}

/** Connecting failed: no address, refused, unreachable or too late. */
export class ConnectError extends Error {
  /** `ENOTFOUND`, `ECONNREFUSED`, `ETIMEDOUT`, ... */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** TCP, as a port. */
export interface Network {
  /** Listens on `address` (null: every interface). `backlog` connections may wait to be accepted. */
  listen(
    options: { address: string | null; port: number; backlog?: number },
    onAccept: (stream: ByteStream) => void,
  ): Promise<Listener>;

  /** All addresses of `host`, looked up anew at every call; a numeric address is its own answer. */
  resolve(host: string): Promise<string[]>;

  /** Connects within `timeoutMs`. @throws {ConnectError} */
  connect(to: SocketAddress, timeoutMs: number): Promise<ByteStream>;
}
