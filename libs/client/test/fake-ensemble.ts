import type { ByteStream, Clock, Listener, Network } from '@aviary/foundation';
import { JuteReader, type JuteWriter } from '@aviary/jute';
import {
  ErrorCode,
  FrameReader,
  OpCode,
  WatchEventType,
  Xid,
  authPacket,
  requestHeader,
  type WatchEventType as EventType,
} from '@aviary/protocol';
import { FakeOperations } from './fake-operations.js';
import { FakeFailure, FakeTree, parentOf, type FakeEvent } from './fake-tree.js';
import { eventFrame, handshakeFrame, readConnectRequest, replyFrame } from './server-frames.js';

export interface FakeSession {
  readonly id: bigint;
  readonly timeoutMs: number;
  touchedMs: number;
  connection: FakeConnection | null;
}

/** A request as the fake server sees it, before it does anything. */
export interface SeenRequest {
  readonly xid: number;
  readonly opCode: number;
  readonly connection: FakeConnection;
}

/**
 * What a test may do to a request: handle it, close the connection without applying it, apply it
 * and close the connection without an answer, or apply it and keep silent.
 */
export type Treatment = 'serve' | 'closeBefore' | 'closeAfter' | 'silent';

/** Servers that share one tree: the least that answers a client, with faults on demand. */
export class FakeEnsemble {
  readonly tree: FakeTree;
  readonly sessions = new Map<bigint, FakeSession>();
  readonly connections = new Set<FakeConnection>();
  readonly network: Network;
  readonly clock: Clock;
  readonly operations: FakeOperations;
  treat: (request: SeenRequest) => Treatment = () => 'serve';
  /** Credentials are refused. */
  refuseAuth = false;
  /** Ports of servers without a quorum. */
  readonly readOnlyPorts = new Set<number>();
  /** Every handshake is answered by closing the connection. */
  refuseHandshakes = false;
  /** Handshakes that came, with the session that they asked for. */
  readonly handshakes: bigint[] = [];
  private nextSessionId = 0x100n;
  private readonly listeners: Listener[] = [];

  constructor(network: Network, clock: Clock) {
    this.network = network;
    this.clock = clock;
    this.tree = new FakeTree(() => clock.monotonicMs());
    this.operations = new FakeOperations(this);
  }

  async listen(port: number, address = '127.0.0.1'): Promise<void> {
    const listener = await this.network.listen({ address, port }, (stream) =>
      this.connections.add(new FakeConnection(this, stream, port)),
    );
    this.listeners.push(listener);
  }

  /** Stops listening and closes every connection; sessions live on. */
  async stop(): Promise<void> {
    for (const listener of this.listeners.splice(0)) await listener.close();
    this.closeConnections();
  }

  closeConnections(): void {
    for (const connection of this.connections) connection.close();
  }

  newSession(timeoutMs: number): FakeSession {
    const id = this.nextSessionId++;
    const session = { id, timeoutMs, touchedMs: this.clock.monotonicMs(), connection: null };
    this.sessions.set(id, session);
    this.watchForExpiry(session);
    return session;
  }

  /** Ends a session, with its ephemeral nodes. */
  endSession(id: bigint): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.sessions.delete(id);
    this.tree.zxid++;
    for (const path of this.tree.ephemeralsOf(id)) this.tree.delete(path, -1);
    this.fireEvents();
  }

  expire(id: bigint): void {
    const connection = this.sessions.get(id)?.connection;
    this.endSession(id);
    connection?.close();
  }

  fireEvents(): void {
    for (const event of this.tree.takeEvents()) {
      for (const connection of this.connections) connection.fire(event, this.tree.zxid);
    }
  }

  /** Watches that servers hold, over all connections. */
  get watchCount(): number {
    return [...this.connections].reduce((sum, connection) => sum + connection.watchCount, 0);
  }

  private watchForExpiry(session: FakeSession): void {
    const leftMs = session.touchedMs + session.timeoutMs - this.clock.monotonicMs();
    this.clock.setTimer(Math.max(leftMs, 1), () => {
      if (this.sessions.get(session.id) !== session) return;
      if (this.clock.monotonicMs() >= session.touchedMs + session.timeoutMs) {
        this.expire(session.id);
      } else this.watchForExpiry(session);
    });
  }
}

/** A connection at a fake server: handshake, then requests one by one. */
export class FakeConnection {
  readonly ensemble: FakeEnsemble;
  readonly stream: ByteStream;
  readonly auth: string[] = [];
  readonly port: number;
  session: FakeSession | null = null;
  readonly data = new Set<string>();
  readonly child = new Set<string>();
  readonly persistent = new Set<string>();
  readonly recursive = new Set<string>();
  /** Every request after the handshake, by operation number. */
  readonly seen: number[] = [];
  private readonly frames = new FrameReader(1 << 24);

  constructor(ensemble: FakeEnsemble, stream: ByteStream, port: number) {
    this.ensemble = ensemble;
    this.stream = stream;
    this.port = port;
    stream.start({
      onBytes: (bytes, start, end) => {
        if (Buffer.from(bytes.subarray(start, end)).toString() === 'isro') {
          stream.write(Buffer.from(this.readOnly ? 'ro' : 'rw'));
          this.close();
          return;
        }
        this.frames.push(bytes, start, end, {
          onFrame: (frame, from, to) => {
            if (!ensemble.connections.has(this)) return false;
            this.onFrame(frame.slice(from, to));
            return true;
          },
        });
      },
      onDrained: () => undefined,
      onClosed: () => {
        ensemble.connections.delete(this);
      },
    });
  }

  get readOnly(): boolean {
    return this.ensemble.readOnlyPorts.has(this.port);
  }

  get watchCount(): number {
    return this.data.size + this.child.size + this.persistent.size + this.recursive.size;
  }

  close(): void {
    this.ensemble.connections.delete(this);
    this.stream.end();
  }

  fire(event: FakeEvent, zxid: bigint): void {
    const { type, path } = event;
    let hit = this.persistent.has(path);
    if (type === WatchEventType.nodeChildrenChanged) {
      if (this.child.delete(path)) hit = true;
    } else {
      if (this.data.delete(path)) hit = true;
      if (type === WatchEventType.nodeDeleted && this.child.delete(path)) hit = true;
      for (let at = path; ; at = parentOf(at)) {
        if (this.recursive.has(at)) hit = true;
        if (at === '/') break;
      }
    }
    if (hit) this.sendEvent(type as EventType, path, zxid);
  }

  sendEvent(type: EventType, path: string, zxid: bigint): void {
    this.stream.write(eventFrame(type, path, zxid));
  }

  private onFrame(body: Uint8Array): void {
    if (this.session === null) this.onHandshake(body);
    else this.onRequest(body, this.session);
  }

  private onHandshake(body: Uint8Array): void {
    const { ensemble } = this;
    const request = readConnectRequest(body);
    ensemble.handshakes.push(request.sessionId);
    const refused =
      ensemble.refuseHandshakes ||
      request.lastZxidSeen > ensemble.tree.zxid ||
      (this.readOnly && (!request.readOnly || request.sessionId !== 0n));
    if (refused) {
      this.close();
      return;
    }
    const session =
      request.sessionId === 0n
        ? ensemble.newSession(request.timeOut)
        : ensemble.sessions.get(request.sessionId);
    if (session === undefined) {
      this.stream.write(handshakeFrame({ sessionId: 0n, timeoutMs: 0 }));
      this.close();
      return;
    }
    session.connection?.close();
    session.connection = this;
    session.touchedMs = ensemble.clock.monotonicMs();
    this.session = session;
    const { id, timeoutMs } = session;
    this.stream.write(handshakeFrame({ sessionId: id, timeoutMs, readOnly: this.readOnly }));
  }

  private onRequest(body: Uint8Array, session: FakeSession): void {
    const { ensemble } = this;
    const reader = new JuteReader(body);
    const { xid, type } = requestHeader.read(reader);
    if (ensemble.sessions.get(session.id) !== session) {
      this.close();
      return;
    }
    session.touchedMs = ensemble.clock.monotonicMs();
    this.seen.push(type);
    if (type === OpCode.auth) {
      this.onAuth(reader);
      return;
    }
    const treatment = ensemble.treat({ xid, opCode: type, connection: this });
    if (treatment === 'closeBefore') {
      this.close();
      return;
    }
    let err: number = ErrorCode.ok;
    let write: (writer: JuteWriter) => void = () => undefined;
    try {
      write = ensemble.operations.perform(type, reader, this);
    } catch (error) {
      if (!(error instanceof FakeFailure)) throw error;
      err = error.code;
    }
    ensemble.fireEvents();
    if (treatment === 'closeAfter') this.close();
    if (treatment !== 'serve') return;
    const reply = { xid: type === OpCode.ping ? Xid.ping : xid, zxid: ensemble.tree.zxid, err };
    this.stream.write(replyFrame(reply, err === 0 ? write : undefined));
    if (type === OpCode.closeSession) this.close();
  }

  private onAuth(reader: JuteReader): void {
    const { scheme, auth } = authPacket.read(reader);
    const err = this.ensemble.refuseAuth ? ErrorCode.authFailed : ErrorCode.ok;
    this.stream.write(replyFrame({ xid: Xid.auth, zxid: 0n, err }));
    if (err !== 0) this.close();
    else this.auth.push(`${scheme}:${Buffer.from(auth ?? []).toString()}`);
  }
}
