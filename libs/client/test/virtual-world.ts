import {
  ConnectError,
  type ByteStream,
  type Clock,
  type Listener,
  type Network,
  type Random,
  type SocketAddress,
  type StreamHandler,
  type Timer,
} from '@aviary/foundation';

interface PendingTimer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that moves only when a test says so. */
export class VirtualClock implements Clock {
  nowMs = 1_000;
  /** How far the wall clock is ahead. */
  wallLeadMs = 1_700_000_000_000;
  private readonly timers = new Set<PendingTimer>();
  private turn: (() => void)[] = [];
  private order = 0;

  /** Timers that are set and have not fired. */
  get timerCount(): number {
    return this.timers.size;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs + this.wallLeadMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + Math.max(delayMs, 0), order: this.order++, callback };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  }

  atEndOfTurn(callback: () => void): void {
    this.turn.push(callback);
  }

  /** Runs everything that can happen without time passing. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.turn.length === 0) return;
      const batch = this.turn;
      this.turn = [];
      for (const callback of batch) callback();
    }
  }

  /** Runs what is due at the end of this turn, and what follows from it without a further turn. */
  async turnOnce(): Promise<void> {
    const batch = this.turn;
    this.turn = [];
    for (const callback of batch) callback();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The process stands still for `ms`, and then looks at its timers before its sockets. */
  async wakeAfter(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const timer of [...this.timers]) {
      if (timer.atMs > this.nowMs || !this.timers.delete(timer)) continue;
      timer.callback();
    }
    await this.settle();
  }

  /** Lets `ms` pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.earliest();
      if (next === null || next.atMs > until) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.timers.delete(next);
      next.callback();
      await this.settle();
    }
    this.nowMs = until;
    await this.settle();
  }

  /** The process stands still for `ms`: nothing runs, and then everything is late. */
  pause(ms: number): void {
    this.nowMs += ms;
  }

  private earliest(): PendingTimer | null {
    let earliest: PendingTimer | null = null;
    for (const timer of this.timers) {
      const sooner =
        earliest === null ||
        timer.atMs < earliest.atMs ||
        (timer.atMs === earliest.atMs && timer.order < earliest.order);
      if (sooner) earliest = timer;
    }
    return earliest;
  }
}

/** A small generator with a seed (mulberry32). */
export class SeededRandom implements Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  uint32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32());
  }
}

/** One end of a connection in memory. */
export class VirtualStream implements ByteStream {
  readonly remote: SocketAddress;
  queuedBytes = 0;
  peer!: VirtualStream;
  /** What is written here vanishes: a cable that was pulled. */
  muted = false;
  /** How many writes were made. */
  writes = 0;
  private handler: StreamHandler | null = null;
  private early: Uint8Array[] = [];
  private held: Uint8Array[] | null = null;
  private closed = false;
  private readonly clock: VirtualClock;

  constructor(clock: VirtualClock, remote: SocketAddress) {
    this.clock = clock;
    this.remote = remote;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  start(handler: StreamHandler): void {
    this.handler = handler;
    const early = this.early;
    this.early = [];
    for (const bytes of early) this.clock.atEndOfTurn(() => this.deliver(bytes));
  }

  /** The peer reads again what was held back. */
  drain(): void {
    this.queuedBytes = 0;
    const { held } = this;
    this.held = null;
    for (const bytes of held ?? []) this.clock.atEndOfTurn(() => this.peer.deliver(bytes));
    this.handler?.onDrained();
  }

  /** The peer reads nothing until {@link drain}. */
  hold(): void {
    this.held = [];
  }

  write(bytes: Uint8Array): boolean {
    this.writes++;
    if (this.closed || this.muted) return true;
    if (this.held !== null) {
      this.held.push(bytes);
      this.queuedBytes += bytes.length;
      return false;
    }
    const copy = bytes.slice();
    this.clock.atEndOfTurn(() => this.peer.deliver(copy));
    return true;
  }

  pause(): void {}
  resume(): void {}

  end(): void {
    // Behind what was written before.
    this.clock.atEndOfTurn(() => this.destroy());
  }

  destroy(): void {
    this.close();
    if (!this.muted) this.clock.atEndOfTurn(() => this.peer.close());
  }

  /** Both directions go dead, and neither side hears of it. */
  cut(): void {
    this.muted = true;
    this.peer.muted = true;
  }

  private deliver(bytes: Uint8Array): void {
    if (this.closed || this.peer.muted) return;
    if (this.handler === null) this.early.push(bytes);
    else this.handler.onBytes(bytes, 0, bytes.length);
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.clock.atEndOfTurn(() => {
      this.handler?.onClosed(null);
      this.handler = null;
    });
  }
}

/** A network in memory. */
export class VirtualNetwork implements Network {
  /** What a name resolves to; numeric addresses are their own answer. */
  readonly names = new Map<string, string[]>();
  /** Addresses (`address:port`) that swallow everything. */
  readonly deaf = new Set<string>();
  /** Every attempt to connect, in order. */
  readonly attempts: string[] = [];
  /** The client's ends of connections that are open. */
  readonly open = new Set<VirtualStream>();
  private readonly listeners = new Map<string, (stream: ByteStream) => void>();
  private readonly clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  listen(
    options: { address: string | null; port: number },
    onAccept: (stream: ByteStream) => void,
  ): Promise<Listener> {
    const local = { address: options.address ?? '127.0.0.1', port: options.port };
    const key = keyOf(local);
    this.listeners.set(key, onAccept);
    const close = () => {
      this.listeners.delete(key);
      return Promise.resolve();
    };
    return Promise.resolve({ local, close });
  }

  resolve(host: string): Promise<string[]> {
    if (/^[\d.]+$/.test(host) || host.includes(':')) return Promise.resolve([host]);
    const found = this.names.get(host);
    if (found !== undefined) return Promise.resolve([...found]);
    return Promise.reject(new ConnectError('ENOTFOUND', `cannot resolve host name "${host}"`));
  }

  connect(to: SocketAddress, timeoutMs: number): Promise<ByteStream> {
    const key = keyOf(to);
    this.attempts.push(key);
    return new Promise((resolve, reject) => {
      const fail = (code: string) =>
        reject(new ConnectError(code, `cannot connect to ${key}: ${code}`));
      if (this.deaf.has(key)) {
        this.clock.setTimer(timeoutMs, () => fail('ETIMEDOUT'));
        return;
      }
      this.clock.atEndOfTurn(() => {
        const onAccept = this.listeners.get(key);
        if (onAccept === undefined) {
          fail('ECONNREFUSED');
          return;
        }
        const near = new VirtualStream(this.clock, to);
        const far = new VirtualStream(this.clock, { address: '127.0.0.1', port: 50_000 });
        near.peer = far;
        far.peer = near;
        this.open.add(near);
        onAccept(far);
        resolve(near);
      });
    });
  }

  /** Cuts every open connection without a word. */
  cutAll(): void {
    for (const stream of this.open) stream.cut();
  }

  /** The client's ends that are not closed. */
  get openCount(): number {
    return [...this.open].filter((stream) => !stream.isClosed).length;
  }
}

function keyOf({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
