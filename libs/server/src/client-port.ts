import {
  type ByteStream,
  type Clock,
  type Log,
  type SocketAddress,
  type Timer,
} from '@aviary/foundation';
import { JuteReader, JuteWriter } from '@aviary/jute';
import { KeeperState, Xid, watcherEvent } from '@aviary/protocol';
import type { DataDirectory } from '@aviary/storage';
import type { DataTree, TransactionApplier, WatchEvent } from '@aviary/znodes';
import { ClientConnection } from './client-connection.js';
import type { ConnectionOutput } from './connection-output.js';
import { FourLetterWords } from './four-letter-words.js';
import type { LatencyMeter } from './latency-meter.js';
import type { ServerOptions } from './options.js';
import { OutputPool } from './output-pool.js';
import type { SessionPasswords } from './password-keeper.js';
import type { PortRole, SessionRegistry } from './port-role.js';
import { PauseReason } from './read-pause.js';
import { ReadAnswers } from './read-answers.js';
import { ReadOperations } from './read-operations.js';
import { beginReply, endReply } from './reply.js';
import type { ServerContext, Traffic } from './server-context.js';
import type { ServerPorts } from './server-ports.js';
import type { Session } from './session-tracker.js';
import { WatchRestorer } from './set-watches.js';
import type { RecoveredState } from './tree-recovery.js';
import type { WritePath } from './write-path.js';

const NO_BODY = new Uint8Array(0);
/** How far connections are cut off when too much is held: not one for each byte too many. */
const CUT_DOWN_TO = 7 / 8;

/** Everything behind the client port: connections, sessions, and what serves their requests. */
export class ClientPort implements ServerContext {
  readonly tree: DataTree;
  readonly reads: ReadOperations;
  readonly answers: ReadAnswers;
  readonly watchRestorer: WatchRestorer;
  role: PortRole;
  readonly outputs = new OutputPool();
  readonly traffic: Traffic = { received: 0, sent: 0 };
  readonly body = new JuteReader(NO_BODY);
  readonly clock: Clock;
  readonly log: Log;
  readonly connections = new Set<ClientConnection>();
  readonly startedMs: number;
  isServing = false;
  isMuted = false;
  connectionsRejected = 0;
  /** Connections cut off because of what they made the server hold. */
  connectionsCut = 0;
  /** Bytes of requests that are not whole or wait, and of answers that are not read. */
  heldBytes = 0;
  readonly environment: readonly (readonly [string, string])[];
  readonly gauges: () => [string, number][];

  /** Where the data lies, for the words that tell its size. */
  directory: DataDirectory | null = null;
  /** How long syncs took. */
  syncs = { count: 0, totalMs: 0, longestMs: 0 };
  local: SocketAddress = { address: '', port: 0 };

  private readonly applier: TransactionApplier;
  private readonly perAddress = new Map<string, number>();
  private readonly words: FourLetterWords;
  private readonly withOutput: ConnectionOutput[] = [];
  private readonly withHeld: ClientConnection[] = [];
  private waiting: ClientConnection[] = [];
  private sweepTimer: Timer | null = null;
  private encodedEvent: WatchEvent | null = null;
  private readonly encodedFrame = new JuteWriter(256);
  private encodedBytes: Uint8Array = NO_BODY;

  constructor(
    readonly options: ServerOptions,
    ports: ServerPorts,
    state: RecoveredState,
    readonly passwords: SessionPasswords,
    readonly latency: LatencyMeter,
    makeRole: (port: ClientPort) => PortRole,
  ) {
    this.clock = ports.clock;
    this.log = ports.log;
    this.environment = ports.environment ?? [];
    this.gauges = ports.gauges ?? (() => []);
    this.applier = state.applier;
    this.tree = state.tree;
    this.startedMs = ports.clock.monotonicMs();
    this.reads = new ReadOperations(state.tree, options.limits);
    this.answers = new ReadAnswers(this);
    this.watchRestorer = new WatchRestorer(state.tree, options.limits);
    this.words = new FourLetterWords(this);
    this.role = makeRole(this);
  }

  /** Transactions whose digest was not that of the tree. */
  get digestMismatches(): number {
    return this.applier.digestMismatches;
  }

  get writes(): WritePath {
    return this.role.writes;
  }

  get sessions(): SessionRegistry {
    return this.role.sessions;
  }

  get asksForSessions(): boolean {
    return this.role.asksForSessions;
  }

  start(): void {
    for (const { session } of [...this.connections]) if (session !== null) this.adopt(session);
    this.role.start();
    this.sweep();
    this.isServing = true;
  }

  /**
   * The role is over, and the clients wait for the next one: what they send and what they are told is
   * kept back. Who cannot wait is cut off.
   */
  suspend(): void {
    this.isMuted = true;
    this.isServing = false;
    this.role.stop();
    this.sweepTimer?.cancel();
    for (const connection of [...this.connections]) {
      if (!connection.mayWait) connection.destroy();
    }
  }

  /** Takes another role for the clients that wait; {@link start} follows, and then {@link resume}. */
  takeRole(makeRole: (port: ClientPort) => PortRole): void {
    this.role = makeRole(this);
  }

  /** Has the new role know the session of a client that waits, unless it is over. */
  private adopt(session: Session): void {
    const isOpen = this.tree.sessions.get(session.high, session.low) !== undefined;
    if (isOpen) this.sessions.add(session);
    else session.connection?.destroy();
  }

  /** The clients that have waited go on. */
  resume(): void {
    this.isMuted = false;
    this.goOn();
    for (const connection of [...this.connections]) connection.countHeld();
  }

  /** From here on nothing new begins: no connection, no request, no end of a session. */
  stopServing(): void {
    this.isServing = false;
    for (const connection of this.connections) connection.pause.add(PauseReason.stopping);
    this.role.stop();
    this.sweepTimer?.cancel();
  }

  /** Sends what is waiting and closes all connections; the sessions live on. */
  closeConnections(): void {
    this.flushOutputs();
    for (const connection of [...this.connections]) connection.end();
  }

  /** Closes all connections without another word. */
  abandonConnections(): void {
    for (const connection of [...this.connections]) connection.destroy();
  }

  accept(stream: ByteStream): void {
    const { address } = stream.remote;
    const { connectionsPerAddressMax, connectionsMax } = this.options.limits;
    const fromThere = this.perAddress.get(address) ?? 0;
    const isOver =
      (connectionsPerAddressMax > 0 && fromThere >= connectionsPerAddressMax) ||
      (connectionsMax > 0 && this.connections.size >= connectionsMax);
    if (isOver || !this.isServing) {
      this.connectionsRejected++;
      if (isOver) this.log.warn(`Too many connections from ${address}; a new one is closed.`);
      stream.destroy();
      return;
    }
    this.perAddress.set(address, fromThere + 1);
    const connection = new ClientConnection(this, stream);
    this.connections.add(connection);
    stream.start(connection);
  }

  connectionClosed(connection: ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    const { address } = connection.stream.remote;
    const left = (this.perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.perAddress.set(address, left);
    else this.perAddress.delete(address);
  }

  makeSession(timeoutMs: number): Session {
    return this.role.makeSession(timeoutMs);
  }

  revalidate(
    high: number,
    low: number,
    timeoutMs: number,
    answer: (session: Session | null) => void,
  ): void {
    this.role.revalidate(high, low, timeoutMs, answer);
  }

  sessionEnded(session: Session): void {
    this.sessions.remove(session);
    session.connection?.end();
  }

  refusalOf(type: number): number {
    return this.role.refusalOf(type);
  }

  answerWord(word: string): string | Promise<string> {
    return this.words.answer(word);
  }

  noteOutput(output: ConnectionOutput): void {
    this.withOutput.push(output);
  }

  countHeldBytes(more: number): void {
    this.heldBytes += more;
    if (more > 0 && this.heldBytes > this.options.limits.heldBytesMax) this.cutLargest();
  }

  flushOutputs(): void {
    const { withOutput } = this;
    if (this.isMuted) return;
    // A flush may close a connection, whose end may give another something to say.
    for (let i = 0; i < withOutput.length; i++) withOutput[i].flush();
    withOutput.length = 0;
  }

  /** Transactions were applied, or a session was found: what waited for that goes on. */
  goOn(): void {
    if (this.isMuted) return;
    this.takeHeld();
    this.flushOutputs();
    this.admitWaiting();
  }

  noteHeld(connection: ClientConnection): void {
    this.withHeld.push(connection);
  }

  waitForRoom(connection: ClientConnection): void {
    this.waiting.push(connection);
  }

  encodeEvent(event: WatchEvent): Uint8Array {
    if (event === this.encodedEvent) return this.encodedBytes;
    const out = this.encodedFrame;
    out.clear();
    const at = beginReply(out);
    const { type, path } = event;
    watcherEvent.write(out, { type, state: KeeperState.syncConnected, path });
    endReply(out, at, Xid.notification, event.zxid, 0);
    this.encodedEvent = event;
    this.encodedBytes = out.take();
    return this.encodedBytes;
  }

  /** Between two transactions of a batch no request can be prepared: the tree is in between, too. */
  private takeHeld(): void {
    const { withHeld } = this;
    if (!this.isServing) withHeld.length = 0;
    for (let i = 0; i < withHeld.length; i++) withHeld[i].takeHeld();
    withHeld.length = 0;
  }

  private admitWaiting(): void {
    const { waiting } = this;
    if (waiting.length === 0 || !this.writes.hasRoom) return;
    this.waiting = [];
    for (const connection of waiting) connection.pause.remove(PauseReason.room);
  }

  /** Whoever makes the server hold the most is cut off, until there is some room again. */
  private cutLargest(): void {
    const enough = this.options.limits.heldBytesMax * CUT_DOWN_TO;
    const holding = [...this.connections]
      .map((connection) => ({ connection, bytes: connection.heldBytes }))
      .sort((a, b) => b.bytes - a.bytes);
    for (const { connection } of holding) {
      if (this.heldBytes <= enough) return;
      this.cutOff(connection, 'The server holds too much for its clients; the largest is cut off.');
    }
  }

  cutOff(
    connection: ClientConnection,
    reason: string,
    facts: Readonly<Record<string, unknown>> = {},
  ): void {
    this.connectionsCut++;
    const { heldBytes, stream } = connection;
    this.log.warn(reason, { client: stream.remote.address, heldBytes, ...facts });
    connection.destroy();
  }

  /** Closes, a little late, the connections that have no session and should. */
  private sweep(): void {
    const { handshakeMs } = this.options.limits;
    const nowMs = this.clock.monotonicMs();
    for (const connection of this.connections) {
      const sinceMs = connection.sessionlessSinceMs;
      if (sinceMs !== null && nowMs - sinceMs > handshakeMs) connection.destroy();
    }
    this.sweepTimer = this.clock.setTimer(Math.max(handshakeMs / 4, 10), () => this.sweep());
  }
}
