import {
  assertNever,
  formatSessionId,
  type ByteStream,
  type Clock,
  type Log,
  type StreamHandler,
  type Timer,
} from '@aviary/foundation';
import type { ServerName } from '../connection-string.js';
import { SessionCore } from '../session/session-core.js';
import type { SessionInput, SessionOutput, SessionSettings } from '../session/session-io.js';
import type { SessionState } from '../session-state.js';
import { Connector, type ConnectorPorts } from './connector.js';
import { QuorumFinder } from './quorum-finder.js';

/** Bytes at the socket from which on no more requests are handed to it. */
const BLOCKED_BYTES = 256 * 1024;
/** A timer that is later than this tells of a stopped process or a blocked event loop. */
const LATE_MS = 50;
/** The wall clock runs ahead of the monotonic one by so much at once only after a sleep. */
const JUMP_MS = 500;
const TIMER_MS_MAX = 0x3fff_ffff;

/** Outputs of the core that are not about the connection. */
export type OwnerOutput = Exclude<
  SessionOutput,
  { readonly kind: 'connect' | 'disconnect' | 'send' }
>;

/** What the host needs from outside. */
export interface HostPorts extends ConnectorPorts {
  readonly log: Log;
}

/** One connection. Calls from a connection that was given up do not reach the core. */
class Connection implements StreamHandler {
  readonly stream: ByteStream;
  private host: SessionHost | null;

  constructor(host: SessionHost, stream: ByteStream) {
    this.host = host;
    this.stream = stream;
  }

  giveUp(): void {
    this.host = null;
    this.stream.destroy();
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.host?.received(bytes, start, end);
  }

  onDrained(): void {
    this.host?.drained();
  }

  onClosed(reason: Error | null): void {
    const { host } = this;
    this.host = null;
    host?.broken(reason);
  }
}

/**
 * Drives a {@link SessionCore}: gives it a connection, the time and a timer, and passes on what it
 * says to its owner.
 */
export class SessionHost {
  readonly core: SessionCore;
  readonly clock: Clock;
  private readonly log: Log;
  private readonly connector: Connector;
  private readonly quorumFinder: QuorumFinder;
  private readonly owner: (output: OwnerOutput) => void;
  private connection: Connection | null = null;
  /** Why there is no connection, for people. */
  private problem: string | null = null;
  private blocked = false;

  private readonly queue: (readonly SessionOutput[])[] = [];
  private draining = false;
  private flushScheduled = false;
  /** How far the wall clock was ahead of the monotonic clock. */
  private wallLeadMs: number;
  private timer: Timer | null = null;
  private timerAtMs = Infinity;

  constructor(
    settings: Omit<SessionSettings, 'serverCount'>,
    servers: readonly ServerName[],
    ports: HostPorts,
    owner: (output: OwnerOutput) => void,
  ) {
    this.core = new SessionCore({ ...settings, serverCount: servers.length });
    this.clock = ports.clock;
    this.wallLeadMs = ports.clock.wallMs() - ports.clock.monotonicMs();
    this.log = ports.log;
    this.owner = owner;
    const attemptTimeoutMs = () => this.core.attemptTimeoutMs;
    this.connector = new Connector(
      ports,
      servers,
      attemptTimeoutMs,
      (stream) => this.opened(stream),
      (reason) => {
        this.problem = reason;
      },
    );
    this.quorumFinder = new QuorumFinder(ports, servers, attemptTimeoutMs, (server) =>
      this.moveTo(server),
    );
  }

  /** The session that lives as far as is known; 0 without one. */
  get sessionId(): bigint {
    return this.core.sessionId;
  }

  /** Until when leases may be held; -Infinity without a session. */
  get holdUntilMs(): number {
    return this.core.holdUntilMs;
  }

  /** Why the last attempt to reach a server failed, for people; null while connected. */
  get lastProblem(): string | null {
    return this.problem;
  }

  /**
   * The time, on the monotonic clock. That clock stands still while the machine sleeps, and so does
   * everything that counts by it, but for the servers. The wall clock tells: the core then hears of
   * it before anything else.
   */
  nowMs(): number {
    const nowMs = this.clock.monotonicMs();
    const leadMs = this.clock.wallMs() - nowMs;
    const jumped = leadMs - this.wallLeadMs >= JUMP_MS;
    this.wallLeadMs = leadMs;
    if (jumped) this.dispatch({ kind: 'clockJumped', nowMs });
    return nowMs;
  }

  /** Feeds the core and does what it says. Inputs from inside of that are taken in order. */
  dispatch(input: SessionInput): void {
    const outputs = this.core.step(input);
    if (this.draining) {
      if (outputs.length > 0) this.queue.push(outputs);
      return;
    }
    if (outputs.length > 0) this.drain(outputs);
    this.scheduleFlush();
    this.armTimer();
  }

  private drain(outputs: readonly SessionOutput[]): void {
    this.draining = true;
    try {
      for (let batch: typeof outputs | undefined = outputs; batch; batch = this.queue.shift()) {
        for (const output of batch) this.perform(output);
      }
    } finally {
      this.draining = false;
    }
  }

  /** @internal For the connection. */
  received(bytes: Uint8Array, start: number, end: number): void {
    this.dispatch({ kind: 'bytes', nowMs: this.nowMs(), bytes, start, end });
  }

  /** @internal For the connection. */
  drained(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.dispatch({ kind: 'drained', nowMs: this.nowMs() });
  }

  /** @internal For the connection. */
  broken(cause: Error | null): void {
    const remote = this.describeRemote();
    this.connection = null;
    const reason =
      cause === null ? `${remote} closed the connection` : `${remote}: ${cause.message}`;
    this.problem = reason;
    this.dispatch({ kind: 'broken', nowMs: this.nowMs(), reason });
  }

  /** Leaves a server without a quorum for one that has one. */
  private moveTo(server: ServerName): void {
    this.connector.prefer(server);
    this.connection?.giveUp();
    this.connection = null;
    const reason = 'a server with a quorum was found';
    this.problem = reason;
    this.dispatch({ kind: 'broken', nowMs: this.nowMs(), reason });
  }

  private opened(stream: ByteStream): void {
    const connection = new Connection(this, stream);
    this.connection = connection;
    this.blocked = false;
    this.dispatch({ kind: 'opened', nowMs: this.nowMs() });
    stream.start(connection);
  }

  private perform(output: SessionOutput): void {
    switch (output.kind) {
      case 'send':
        return this.send(output.bytes);
      case 'connect':
        return this.connector.start();
      case 'disconnect':
        this.problem = output.reason;
        this.connector.stop();
        this.connection?.giveUp();
        this.connection = null;
        return;
      case 'state':
        this.followQuorum(output.state);
        this.report(output.state);
        return this.owner(output);
      default:
        return this.owner(output);
    }
  }

  private send(bytes: Uint8Array): void {
    const stream = this.connection?.stream;
    if (stream === undefined || stream.write(bytes)) return;
    if (stream.queuedBytes < BLOCKED_BYTES || this.blocked) return;
    this.blocked = true;
    this.dispatch({ kind: 'blocked' });
  }

  private scheduleFlush(): void {
    if (this.flushScheduled || !this.core.wantsFlush) return;
    this.flushScheduled = true;
    this.clock.atEndOfTurn(() => {
      this.flushScheduled = false;
      this.dispatch({ kind: 'flush', nowMs: this.nowMs() });
    });
  }

  /** One timer for everything. One that is set too early only looks and is set again. */
  private armTimer(): void {
    const wakeAtMs = this.core.wakeAtMs;
    if (wakeAtMs === Infinity) {
      this.timer?.cancel();
      this.timer = null;
      this.timerAtMs = Infinity;
      return;
    }
    if (this.timer !== null && this.timerAtMs <= wakeAtMs) return;
    this.timer?.cancel();
    const delayMs = Math.max(Math.ceil(wakeAtMs - this.clock.monotonicMs()), 1);
    this.timerAtMs = wakeAtMs;
    this.timer = this.clock.setTimer(Math.min(delayMs, TIMER_MS_MAX), () => this.onTimer(wakeAtMs));
  }

  private onTimer(dueMs: number): void {
    this.timer = null;
    this.timerAtMs = Infinity;
    const tick = () => this.dispatch({ kind: 'tick', nowMs: this.nowMs() });
    // After a pause the socket may hold answers that prove the session alive: let them in first.
    if (this.nowMs() - dueMs > LATE_MS) this.clock.atEndOfTurn(tick);
    else tick();
  }

  private followQuorum(state: SessionState): void {
    const connected = state.kind === 'connected' || state.kind === 'reconnected';
    if (connected && state.readOnly) this.quorumFinder.start();
    else this.quorumFinder.stop();
  }

  private describeRemote(): string {
    const remote = this.connection?.stream.remote;
    if (remote === undefined) return 'the server';
    const { address, port } = remote;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  }

  private report(state: SessionState): void {
    switch (state.kind) {
      case 'connected':
      case 'reconnected': {
        this.connector.established();
        this.problem = null;
        const { sessionId, timeoutMs, readOnly } = state;
        const facts = { sessionId: formatSessionId(sessionId), timeoutMs, readOnly };
        return this.log.info(`ZooKeeper client ${state.kind} to ${this.describeRemote()}`, facts);
      }
      case 'suspended':
        return this.log.warn(`ZooKeeper client lost its connection: ${state.reason}`, {
          sessionId: formatSessionId(state.sessionId),
        });
      case 'lost':
        return this.log.error(`ZooKeeper session lost (${state.reason})`, {
          sessionId: formatSessionId(state.sessionId),
        });
      case 'authFailed':
        return this.log.error('the ZooKeeper server refused the credentials of this client');
      case 'closed':
        return this.log.info('ZooKeeper client closed', { sessionClosed: state.sessionClosed });
      case 'connecting':
        return;
      default:
        return assertNever(state);
    }
  }
}
