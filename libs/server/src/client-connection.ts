import { assert, readInt32, type ByteStream, type StreamHandler } from '@aviary/foundation';
import {
  ErrorCode,
  FrameReader,
  OpCode,
  Permission,
  fourLetterWord,
  type FrameSink,
} from '@aviary/protocol';
import {
  isPermitted,
  principalOf,
  type AclList,
  type Principal,
  type RequestOrigin,
  type WatchEvent,
} from '@aviary/znodes';
import { answerAtOnce, mustAuthenticate } from './authentication.js';
import { ConnectionOutput } from './connection-output.js';
import { State } from './connection-state.js';
import { ConnectionStatistics } from './connection-statistics.js';
import { FirstBytes } from './first-bytes.js';
import { HANDSHAKE_BYTES_MAX, Handshake, type HandshakeAnswer } from './handshake.js';
import { HeldBytes } from './held-bytes.js';
import type { Reader } from './read-operations.js';
import { PauseReason, ReadPause } from './read-pause.js';
import { NO_ZXID, appendBytes, beginReply, endReply, writeBareReply } from './reply.js';
import { RequestKind, requestKind } from './request-kinds.js';
import { RequestOrder } from './request-order.js';
import type { ServerContext } from './server-context.js';
import type { Session } from './session-tracker.js';
import type { BarrierOwner } from './write-path.js';
import type { WriteOwner } from './write-queue.js';
import type { WriteResults } from './write-results.js';

const REQUEST_HEADER_BYTES = 8;

/**
 * One client's connection: cuts its bytes into requests, answers reads at once and writes when they
 * are applied, each in the order in which they came.
 *
 * A read behind an unanswered write of the same connection waits for it; nobody else does.
 */
export class ClientConnection
  implements StreamHandler, FrameSink, Reader, WriteOwner, BarrierOwner
{
  session: Session | null = null;
  who: Principal;
  readonly establishedMs: number;
  readonly statistics = new ConnectionStatistics();

  private state: number = State.new;
  private readonly frames = new FrameReader(HANDSHAKE_BYTES_MAX);
  private firstBytes: FirstBytes | null = new FirstBytes();
  /** What came behind the handshake before it was answered, or while the server had no role. */
  private readonly held = new HeldBytes();
  /** The answer to the handshake, while the session is on its way through the log. */
  private response: Uint8Array | null = null;
  readonly pause: ReadPause;
  private readonly order: RequestOrder;
  private readonly output: ConnectionOutput;
  /** As the server counts it. */
  private countedBytes = 0;
  private nowMs: number;
  private readonly origin: RequestOrigin;

  constructor(
    private readonly server: ServerContext,
    readonly stream: ByteStream,
  ) {
    this.pause = new ReadPause(stream);
    this.order = new RequestOrder(server.options.limits, this.pause);
    this.output = new ConnectionOutput(server, stream, this.pause, this);
    this.establishedMs = server.clock.wallMs();
    this.nowMs = server.clock.monotonicMs();
    const ids = [{ scheme: 'ip', id: stream.remote.address }];
    this.who = principalOf(ids, server.options.skipAcl);
    this.origin = { sessionHigh: 0, sessionLow: 0, xid: 0, who: this.who };
  }

  get sessionHigh(): number {
    return this.origin.sessionHigh;
  }

  get sessionLow(): number {
    return this.origin.sessionLow;
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.order.outstanding;
  }

  /** Bytes that it makes the server hold: requests that are not whole or wait, answers not read. */
  get heldBytes(): number {
    const requests = this.frames.heldBytes + this.order.waiting.heldBytes + this.held.length;
    return requests + this.output.heldBytes;
  }

  /** Since when, on the monotonic clock, it has been without a session, or null if it has one. */
  get sessionlessSinceMs(): number | null {
    return this.state >= State.opening && this.state <= State.open ? null : this.nowMs;
  }

  /** Whether nothing that it is told arrives any more. */
  get isGone(): boolean {
    return this.state === State.closed;
  }

  // From the stream:

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    const { server } = this;
    let at = start;
    if (server.isMuted) return this.holdBack(bytes, start, end);
    if (this.firstBytes !== null) {
      at = this.onFirstBytes(this.firstBytes, bytes, start, end);
      if (this.state === State.new || this.state > State.open) return;
    }
    if (this.session !== null) {
      this.nowMs = server.clock.monotonicMs();
      server.sessions.touch(this.session, this.nowMs);
    }
    const answered = this.statistics.packetsSent;
    this.takeFrames(bytes, at, end);
    server.latency.noteAtOnce(this.statistics.packetsSent - answered);
    server.flushOutputs();
    this.countHeld();
  }

  onDrained(): void {
    const { clock, sessions } = this.server;
    if (this.session !== null) sessions.touch(this.session, clock.monotonicMs());
    this.pause.remove(PauseReason.output);
    this.runDeferred();
    this.server.flushOutputs();
  }

  onClosed(): void {
    if (this.state === State.closed) return;
    this.state = State.closed;
    this.server.tree.watches.removeAll(this);
    if (this.session?.connection === this) this.session.connection = null;
    this.order.waiting.clear();
    this.held.take();
    this.response = null;
    this.output.drop();
    this.countHeld();
    this.server.connectionClosed(this);
  }

  /** Closes at once. */
  destroy(): void {
    this.stream.destroy();
    this.onClosed();
  }

  /** Sends what is waiting, then closes. */
  end(): void {
    if (this.state >= State.ending) return;
    this.output.flush();
    this.state = State.ending;
    this.nowMs = this.server.clock.monotonicMs();
    this.stream.end();
  }

  /** Tells the server when it holds more or less. */
  countHeld(): void {
    const more = (this.state === State.closed ? 0 : this.heldBytes) - this.countedBytes;
    if (more === 0) return;
    this.countedBytes += more;
    this.server.countHeldBytes(more);
  }

  private takeFrames(bytes: Uint8Array, start: number, end: number): void {
    this.order.waiting.beginChunk(bytes, end);
    const fault = this.frames.push(bytes, start, end, this);
    const { stoppedAt } = this.frames;
    this.order.waiting.endChunk();
    if (fault !== null) {
      this.server.flushOutputs();
      this.server.cutOff(this, 'A client sent a frame that is too long; it is cut off.', {
        announcedBytes: fault.announcedBytes,
        frameBytesMax: this.frames.frameBytesMax,
      });
    } else if (this.state === State.opening && stoppedAt < end) {
      this.held.keep(bytes, stoppedAt, end);
    }
  }

  /** Keeps what comes while the server has no role, and reads no further until it has. */
  private holdBack(bytes: Uint8Array, start: number, end: number): void {
    this.held.keep(bytes, start, end);
    this.pause.add(PauseReason.looking);
    this.server.noteHeld(this);
    this.countHeld();
  }

  /** Answers a four-letter word, or begins to read a handshake; returns where the rest starts. */
  private onFirstBytes(first: FirstBytes, bytes: Uint8Array, start: number, end: number): number {
    const at = first.take(bytes, start, end);
    const { head } = first;
    if (head === null) return at;
    this.firstBytes = null;
    const word = fourLetterWord(readInt32(head, 0));
    if (word === undefined) {
      this.state = State.handshake;
      this.takeFrames(head, 0, head.length);
    } else {
      this.pause.add(PauseReason.closing);
      const answer = this.server.answerWord(word);
      if (typeof answer === 'string') this.tell(answer);
      else void answer.then((text) => this.tell(text));
    }
    return at;
  }

  /** Says the last thing that is said here. */
  private tell(text: string): void {
    this.stream.write(Buffer.from(text));
    this.end();
    this.countHeld();
  }

  // One frame:

  onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.state < State.barred) return this.onHandshake(bytes, start, end);
    if (end - start < REQUEST_HEADER_BYTES) {
      this.destroy();
      return false;
    }
    const xid = readInt32(bytes, start);
    const type = readInt32(bytes, start + 4);
    this.statistics.packetsReceived++;
    this.server.traffic.received++;
    const kind = requestKind(type);
    if (this.state !== State.open && type !== OpCode.auth && type !== OpCode.sasl) this.bar(xid);
    else if (kind === RequestKind.write) {
      if (this.order.takeWrite(bytes, start, end)) this.submit(type, xid, bytes, start, end);
    } else if (kind === RequestKind.immediate) this.answer(type, xid, bytes, start, end);
    else if (kind === RequestKind.sync) this.sync(type, xid, bytes, start, end);
    else if (this.order.isClear) this.read(type, xid, bytes, start + REQUEST_HEADER_BYTES, end);
    else this.order.defer(bytes, start, end);
    return this.isOpen;
  }

  /** Before it has proved who it is a client may do nothing else: not even ping. */
  private bar(xid: number): void {
    const { sessionClosedRequireSaslAuth } = ErrorCode;
    writeBareReply(this.output.writer(), xid, NO_ZXID, sessionClosedRequireSaslAuth);
    this.countSent();
    this.end();
  }

  private get isOpen(): boolean {
    const { state } = this;
    return state >= State.barred && state <= State.open && !this.pause.has(PauseReason.closing);
  }

  private onHandshake(bytes: Uint8Array, start: number, end: number): boolean {
    const handshake = Handshake.read(bytes, start, end);
    const answer = handshake?.decide(this.server, this) ?? 'close';
    if (handshake !== null && answer === 'ask') return this.ask(handshake);
    return this.follow(handshake, answer);
  }

  /** Asks whether the session is open; meanwhile nothing is read. */
  private ask(handshake: Handshake): boolean {
    const { server } = this;
    const { sessionHigh, sessionLow } = handshake;
    this.state = State.opening;
    this.pause.add(PauseReason.opening);
    server.revalidate(sessionHigh, sessionLow, handshake.granted(server), (session) => {
      if (this.state !== State.opening) return;
      this.pause.remove(PauseReason.opening);
      this.state = State.handshake;
      this.follow(handshake, handshake.resume(server, this, session));
      if (this.held.length > 0) server.noteHeld(this);
    });
    return false;
  }

  /** Does what was decided about a handshake; false: nothing behind it is looked at now. */
  private follow(handshake: Handshake | null, answer: HandshakeAnswer): boolean {
    const { server } = this;
    if (answer === 'close' || answer === 'ask') {
      this.destroy();
      return false;
    }
    if (answer === 'refuse') {
      const refusal = Handshake.refusal(handshake);
      appendBytes(this.output.writer(), refusal, 0, refusal.length);
      this.end();
      return false;
    }
    this.session = answer.session;
    this.origin.sessionHigh = answer.session.high;
    this.origin.sessionLow = answer.session.low;
    if (!answer.isNew) {
      this.open(answer.response);
      // What the session asked for on its last connection may still be under way.
      if (server.writes.outstanding > 0) {
        this.order.writeSent();
        server.writes.waitForApplied(this);
      }
      return true;
    }
    this.state = State.opening;
    this.response = answer.response;
    this.pause.add(PauseReason.opening);
    const body = server.body.reset(answer.creation, 0, answer.creation.length);
    server.writes.submit(OpCode.createSession, body, this.origin, this, this.nowMs);
    return false;
  }

  private open(response: Uint8Array): void {
    const { session, server } = this;
    assert(session !== null, 'a connection is opened with a session');
    session.connection = this;
    this.state = this.isBarred ? State.barred : State.open;
    this.frames.frameBytesMax = server.options.limits.frameBytesMax;
    appendBytes(this.output.writer(), response, 0, response.length);
  }

  private get isBarred(): boolean {
    return mustAuthenticate(this.server.options.enforcedAuthSchemes, this.who.ids);
  }

  /** The creation of the session is applied. */
  private onSessionCreated(): void {
    const { server, session, response } = this;
    assert(session !== null, 'a session is known before it is created');
    server.sessions.add(session);
    if (this.state !== State.opening || response === null) return;
    this.open(response);
    this.pause.remove(PauseReason.opening);
    this.response = null;
    if (this.held.length > 0) server.noteHeld(this);
  }

  /** Takes the requests that came behind the handshake, or while the server had no role. */
  takeHeld(): void {
    const held = this.held.take();
    if (held !== null) this.takeFrames(held, 0, held.length);
    // What comes now comes behind that.
    if (this.state !== State.closed) this.pause.remove(PauseReason.looking);
    this.countHeld();
  }

  // Requests:

  private answer(type: number, xid: number, bytes: Uint8Array, start: number, end: number): void {
    const { server } = this;
    const body = server.body.reset(bytes, start + REQUEST_HEADER_BYTES, end);
    const { address } = this.stream.remote;
    const ids = answerAtOnce(server, type, xid, body, this.who.ids, address, this.output.writer());
    this.countSent();
    if (ids === null) return this.end();
    if (ids === this.who.ids) return;
    this.who = principalOf(ids, server.options.skipAcl);
    this.origin.who = this.who;
    if (this.state === State.barred && !this.isBarred) this.state = State.open;
  }

  private submit(type: number, xid: number, bytes: Uint8Array, start: number, end: number): void {
    const { server, session, origin } = this;
    assert(session !== null, 'an open connection has a session');
    const { writes } = server;
    this.statistics.noteRequest(type, xid, this.nowMs);
    origin.xid = xid;
    const refusal = server.refusalOf(type);
    if (refusal !== ErrorCode.ok) {
      writes.submitError(refusal, type, origin, this, this.nowMs);
    } else {
      if (type === OpCode.closeSession) {
        session.isClosing = true;
        // What the client sent behind that is not looked at.
        this.pause.add(PauseReason.closing);
      }
      const body = server.body.reset(bytes, start + REQUEST_HEADER_BYTES, end);
      writes.submit(type, body, origin, this, this.nowMs);
    }
    if (writes.isFull && !this.pause.has(PauseReason.room)) {
      this.pause.add(PauseReason.room);
      server.waitForRoom(this);
    }
  }

  /** A sync waits for every write that anybody has under way. */
  private sync(type: number, xid: number, bytes: Uint8Array, start: number, end: number): void {
    // A write of its own that waits will be newer than every one that is under way now.
    const { writes } = this.server;
    if (!this.order.hasWaitingWrite && writes.sync(this, this.origin)) this.order.writeSent();
    if (this.order.isClear) this.read(type, xid, bytes, start + REQUEST_HEADER_BYTES, end);
    else this.order.defer(bytes, start, end);
  }

  onApplied(): void {
    this.order.writeDone();
    if (this.state === State.open) this.runDeferred();
  }

  onWritten(type: number, xid: number, results: WriteResults, tookMs: number): void {
    const { server } = this;
    this.statistics.noteWrite(server.tree.lastZxid, tookMs);
    if (type === OpCode.createSession) {
      this.onSessionCreated();
      return;
    }
    this.order.writeDone();
    const isEnd = type === OpCode.closeSession && results.error === ErrorCode.ok;
    if (this.state === State.open) {
      const out = this.output.writer();
      const at = beginReply(out);
      if (results.error === ErrorCode.ok) results.appendBody(out);
      endReply(out, at, xid, server.tree.lastZxid, results.error);
      this.countSent();
      this.runDeferred();
    }
    if (isEnd && this.session !== null) server.sessionEnded(this.session);
  }

  private read(type: number, xid: number, bytes: Uint8Array, start: number, end: number): void {
    const { server } = this;
    this.statistics.noteRead(type, xid, this.nowMs, server.tree.lastZxid);
    if (requestKind(type) === RequestKind.refused) {
      server.answers.refuse(type, xid, this.stream.remote.address, this.output);
      this.countSent();
      this.end();
      return;
    }
    server.answers.append(type, xid, server.body.reset(bytes, start, end), this, this.output);
    this.countSent();
    this.output.flushIfLong();
  }

  /** Runs the requests that waited for nothing but what is done now. */
  private runDeferred(): void {
    const { order } = this;
    const { waiting } = order;
    while (order.isFirstDue && this.state === State.open) {
      const { bytes, start, end, isWrite } = waiting;
      waiting.shift();
      const xid = readInt32(bytes, start);
      const type = readInt32(bytes, start + 4);
      if (isWrite) {
        order.writeReleased();
        this.submit(type, xid, bytes, start, end);
        // What came behind the end of the session is not looked at.
        if (this.pause.has(PauseReason.closing)) waiting.clear();
      } else {
        this.read(type, xid, bytes, start + REQUEST_HEADER_BYTES, end);
      }
    }
    order.relax();
    if (this.countedBytes > 0) this.countHeld();
  }

  // Watches:

  mayRead(acl: AclList): boolean {
    if ((acl.worldPerms & Permission.read) !== 0) return true;
    return isPermitted(this.server.tree.schemes, acl.acls, Permission.read, this.who);
  }

  notify(event: WatchEvent): void {
    if (this.state !== State.open) return;
    this.output.append(this.server.encodeEvent(event));
    this.countSent();
    if (this.output.pendingBytes > this.server.options.limits.outputBytesMax) {
      this.server.cutOff(this, 'A client does not read what it watches; it is cut off.');
    }
    // One transaction may tell a watcher of a hundred thousand nodes.
    this.output.flushIfLong();
  }

  private countSent(): void {
    this.statistics.packetsSent++;
    this.server.traffic.sent++;
  }

  isHeldUp(): boolean {
    return this.pause.isHeldUp();
  }

  /** Whether it may wait for the next role of the server: it is neither too new nor nearly over. */
  get mayWait(): boolean {
    return this.state === State.open && !this.pause.has(PauseReason.closing);
  }
}
