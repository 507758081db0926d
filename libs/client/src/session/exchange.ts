import { JuteReader, JuteWriter } from '@aviary/jute';
import { ErrorCode, OpCode, REPLY_HEADER_BYTES, Xid, syncRequest } from '@aviary/protocol';
import { Credentials } from './credentials.js';
import { Deque } from './deque.js';
import type { Liveness } from './liveness.js';
import { RequestLanes } from './request-lanes.js';
import type { Credential, SessionOutput, SessionSettings } from './session-io.js';
import { InternalRequest, type FailureReason, type SessionRequest } from './session-request.js';
import { WatchKeeper } from './watch-keeper.js';

/** A read whose connection broke this often under it is given up: it may be what breaks it. */
const READ_ATTEMPTS_MAX = 3;
/** What one flush writes at most, but for the last request. */
const FLUSH_BYTES = 256 * 1024;
/** A larger buffer than this is not kept for the next flush. */
const KEPT_BUFFER_BYTES = 1024 * 1024;
const INITIAL_BUFFER_BYTES = 8192;

/** What an answer means for the session around the exchange. */
export type Verdict =
  | { readonly kind: 'drop'; readonly reason: string }
  | { readonly kind: 'credentialsRefused' }
  | { readonly kind: 'sessionClosed' }
  /** What the ensemble has is known; `isLost`: it is less than we had seen, and that is forgotten. */
  | { readonly kind: 'history'; readonly isLost: boolean };

type Opened = 'newSession' | 'reconnected';
type Reply = Extract<SessionOutput, { kind: 'replied' }>['reply'];

const CREDENTIALS_REFUSED: Verdict = { kind: 'credentialsRefused' };
const SESSION_CLOSED: Verdict = { kind: 'sessionClosed' };

function drop(reason: string): Verdict {
  return { kind: 'drop', reason };
}

/**
 * What goes back and forth in a session: requests, pings, identities and watches out; answers and
 * events in. When a connection opens and closes is decided above.
 */
export class Exchange {
  readonly watches: WatchKeeper;
  /** Whether requests can be sent: the handshake is done. */
  open = false;
  /** Whether the socket holds too much already. */
  blocked = false;

  private readonly settings: SessionSettings;
  private readonly liveness: Liveness;
  private readonly emit: (output: SessionOutput) => void;
  private readonly lanes = new RequestLanes(READ_ATTEMPTS_MAX);
  private readonly credentials = new Credentials();
  /** When the pings that are not yet answered were sent. */
  private readonly pings = new Deque<number>();
  private readonly reader = new JuteReader(new Uint8Array(0));
  private writer = new JuteWriter(INITIAL_BUFFER_BYTES);
  private zxidHigh = 0;
  private zxidLow = 0;
  /** What watches are to be told when it is known what the ensemble has; null: nothing. */
  private untold: Opened | null = null;

  constructor(
    settings: SessionSettings,
    liveness: Liveness,
    emit: (output: SessionOutput) => void,
  ) {
    this.settings = settings;
    this.liveness = liveness;
    this.emit = emit;
    this.watches = new WatchKeeper({
      emit,
      request: (request) => {
        if (this.open) this.lanes.enqueue(request);
      },
    });
  }

  /** The highest zxid that an answer carried; 0: none yet. */
  get lastZxid(): bigint {
    return (BigInt(this.zxidHigh) << 32n) | BigInt(this.zxidLow >>> 0);
  }

  get wantsFlush(): boolean {
    return (
      this.open &&
      !this.blocked &&
      this.lanes.waitingCount > 0 &&
      this.lanes.inFlightCount < this.settings.inFlightRequestsMax
    );
  }

  /** When a deadline of a request may pass. */
  get deadlineAtMs(): number {
    return this.lanes.wakeAtMs;
  }

  // Out

  /** Takes a request that belongs to `sessionId`, 0 for the session that comes next. */
  submit(request: SessionRequest, sessionId: bigint): void {
    const limit = this.settings.waitingRequestsMax;
    if (this.lanes.waitingCount >= limit) {
      return this.fail(request, 'tooManyRequests', `${limit} requests wait already`);
    }
    request.sessionId = sessionId;
    if (request.watch !== null) this.watches.table.pend(request.watch);
    this.lanes.enqueue(request);
  }

  /** Ends the session after everything that was submitted before. */
  submitClose(): void {
    const nothing = { path: '', mode: 0 };
    const { closeSession } = OpCode;
    this.lanes.enqueue(new InternalRequest('closeSession', closeSession, nothing, () => undefined));
  }

  abort(request: SessionRequest): void {
    if (request.phase === 'waiting') this.lanes.withdraw(request);
    this.fail(request, 'aborted', 'the signal was aborted');
  }

  addCredential(credential: Credential, nowMs: number): void {
    this.credentials.add(credential);
    if (!this.open) return;
    // The identity must not reach what was asked for before it.
    this.flush(nowMs);
    this.credentials.write(this.writer, credential);
    this.sendWritten(nowMs);
  }

  /**
   * The handshake is done: identities first, then what the ensemble has if that is in doubt, then watches,
   * then what waits. Answers come in this order.
   */
  opened(session: Opened, asksHistory: boolean, nowMs: number): void {
    this.open = true;
    this.credentials.writeAll(this.writer);
    if (asksHistory) this.askHistory(nowMs);
    this.watches.writeKnown(this.writer, this.lastZxid);
    // Who is told that watches begin anew looks at what was seen, so that must be certain.
    // One that broke before they were told has not told them of its session.
    const told = this.untold === 'newSession' ? 'newSession' : session;
    this.untold = asksHistory ? told : null;
    if (!asksHistory) this.watches.connected(told);
    this.flush(nowMs);
  }

  flush(nowMs: number): void {
    const { lanes, settings } = this;
    while (this.wantsFlush && this.writer.position < FLUSH_BYTES) {
      const request = lanes.next();
      if (request === null) break;
      const result = lanes.send(request, this.writer, nowMs, settings.frameBytesMax);
      if (result === 'tooLarge') {
        const detail = `it is longer than ${settings.frameBytesMax} bytes`;
        this.fail(request, 'requestTooLarge', detail);
      } else if (request.watch !== null) {
        for (const follower of this.watches.rearming(request.watch)) {
          lanes.send(follower, this.writer, nowMs, settings.frameBytesMax);
        }
      }
    }
    this.sendWritten(nowMs);
  }

  ping(nowMs: number): void {
    this.pings.push(nowMs);
    this.write((writer) => {
      writer.int(Xid.ping);
      writer.int(OpCode.ping);
    }, nowMs);
  }

  /** Sends one frame of the caller's own. */
  write(body: (writer: JuteWriter) => void, nowMs: number): void {
    const lengthAt = this.writer.reserve(4);
    body(this.writer);
    this.writer.intAt(lengthAt, this.writer.position - lengthAt - 4);
    this.sendWritten(nowMs);
  }

  private sendWritten(nowMs: number): void {
    const { writer } = this;
    if (writer.position === 0) return;
    this.emit({ kind: 'send', bytes: writer.take() });
    this.liveness.sent(nowMs);
    writer.clear();
    if (writer.bytes.length > KEPT_BUFFER_BYTES) this.writer = new JuteWriter(INITIAL_BUFFER_BYTES);
  }

  // In

  /** Takes a frame that came after the handshake. Null: all is well. */
  received(bytes: Uint8Array, start: number, end: number): Verdict | null {
    if (end - start < REPLY_HEADER_BYTES) return drop('an answer is shorter than its header');
    const reader = this.reader.reset(bytes, start, end);
    const xid = reader.int();
    const zxidHigh = reader.int();
    const zxidLow = reader.int();
    const code = reader.int();
    switch (xid) {
      case Xid.notification: {
        const zxid = (BigInt(zxidHigh) << 32n) | BigInt(zxidLow >>> 0);
        return this.watches.notified(reader, zxid) ? null : drop('an event cannot be read');
      }
      case Xid.ping: {
        if (code === ErrorCode.sessionClosedRequireSaslAuth) return CREDENTIALS_REFUSED;
        const sentMs = this.pings.shift();
        if (sentMs !== undefined) this.liveness.acknowledged(sentMs);
        return null;
      }
      case Xid.auth:
        return this.authAnswered(code);
      case Xid.setWatches:
        return code === ErrorCode.ok ? null : drop(`the server refused the watches (${code})`);
      default: {
        const start = reader.position;
        return this.answered(xid, { code, zxidHigh, zxidLow, bytes, start, end });
      }
    }
  }

  private authAnswered(code: number): Verdict | null {
    const answered = this.credentials.answered();
    if (answered === null) return drop('the server answered credentials that were not sent');
    const { credential, awaited } = answered;
    const accepted = code === ErrorCode.ok;
    const result = accepted ? 'accepted' : 'refused';
    if (awaited) this.emit({ kind: 'authSettled', credential, result });
    return accepted ? null : CREDENTIALS_REFUSED;
  }

  private answered(xid: number, reply: Reply): Verdict | null {
    const request = this.lanes.oldest();
    if (request?.xid !== xid) return drop(`answer ${xid} came out of order`);
    const { code } = reply;
    if (code === ErrorCode.sessionClosedRequireSaslAuth) return CREDENTIALS_REFUSED;
    this.lanes.answered();
    if (code !== ErrorCode.sessionExpired) this.liveness.acknowledged(request.sentAtMs);
    this.raiseZxid(reply.zxidHigh, reply.zxidLow);
    if (request.watch !== null) this.watches.readAnswered(request, request.watch, code);
    if (request instanceof InternalRequest) {
      if (request.purpose === 'closeSession') return SESSION_CLOSED;
      if (request.purpose === 'askHistory') return this.historyTold(reply);
      this.watches.answered(request, code);
    } else if (request.phase !== 'settled') {
      request.phase = 'settled';
      this.emit({ kind: 'replied', request, reply });
    }
    return null;
  }

  private askHistory(nowMs: number): void {
    const root = { path: '/', mode: 0 };
    const asking = new InternalRequest('askHistory', OpCode.sync, root, (writer) =>
      syncRequest.write(writer, root),
    );
    this.lanes.send(asking, this.writer, nowMs, this.settings.frameBytesMax);
  }

  private historyTold({ code, zxidHigh, zxidLow }: Reply): Verdict {
    const zxid = (BigInt(zxidHigh) << 32n) | BigInt(zxidLow >>> 0);
    if (code !== ErrorCode.ok || zxid < 0n) {
      return drop(`the server cannot say what the ensemble has (${code})`);
    }
    const isLost = zxid < this.lastZxid;
    if (isLost) {
      this.zxidHigh = zxidHigh;
      this.zxidLow = zxidLow;
      this.watches.connected('historyLost');
    } else if (this.untold !== null) {
      this.watches.connected(this.untold);
    }
    this.untold = null;
    return { kind: 'history', isLost };
  }

  private raiseZxid(high: number, low: number): void {
    // Below zero stands for "none"; a real epoch never comes near 2^31.
    if (high < 0 || high < this.zxidHigh) return;
    if (high === this.zxidHigh && low >>> 0 <= this.zxidLow >>> 0) return;
    this.zxidHigh = high;
    this.zxidLow = low;
  }

  /** A frame of `announcedBytes` cannot be taken: only an answer can be so long. */
  refuseFrame(announcedBytes: number): string {
    const reason = `the server announced a frame of ${announcedBytes} bytes`;
    const request = this.lanes.oldest();
    if (request !== undefined && announcedBytes > 0) {
      this.fail(request, 'replyTooLarge', `its answer has ${announcedBytes} bytes`);
    }
    return reason;
  }

  // Ends

  expireRequests(nowMs: number): void {
    for (const request of this.lanes.expire(nowMs)) {
      this.fail(request, 'deadlineExceeded', 'its deadline has passed');
    }
  }

  /** The connection is gone; what can be sent again waits, the rest fails. */
  connectionLost(reason: string): void {
    this.forgetConnection();
    const { lost, refused } = this.lanes.connectionLost();
    for (const request of lost) this.fail(request, 'connectionLoss', reason);
    for (const request of refused) this.fail(request, 'connectionLoss', reason);
    this.lanes.removeWaiting((request) => request instanceof InternalRequest);
  }

  /** The session `sessionId` is over, and with it what was bound to it. */
  sessionLost(sessionId: bigint): void {
    if (this.open) this.forgetConnection();
    const inFlight = this.lanes.drainInFlight();
    const bound = this.lanes.removeWaiting(
      (request) => request.sessionId === sessionId || request instanceof InternalRequest,
    );
    for (const request of [...inFlight, ...bound]) {
      this.fail(request, 'sessionExpired', 'its session is over');
    }
    this.watches.endOneShots({ kind: 'sessionLost' });
  }

  /** Nothing will be sent any more. */
  end(by: 'authFailed' | 'closed', detail: string): void {
    this.forgetConnection();
    const rest = [...this.lanes.drainInFlight(), ...this.lanes.removeWaiting(() => true)];
    for (const request of rest) this.fail(request, by, detail);
    this.watches.endOneShots({ kind: 'closed' });
    this.watches.table.endTrees();
    const result = by === 'closed' ? 'closed' : 'refused';
    for (const credential of this.credentials.abandon()) {
      this.emit({ kind: 'authSettled', credential, result });
    }
  }

  fail(request: SessionRequest, reason: FailureReason, detail: string): void {
    if (request.phase === 'settled') return;
    request.phase = 'settled';
    if (request instanceof InternalRequest) return;
    this.emit({ kind: 'failed', request, reason, sent: request.attempts > 0, detail });
    if (request.watch !== null) this.watches.cancel(request.watch);
  }

  private forgetConnection(): void {
    this.open = false;
    this.blocked = false;
    this.pings.drain();
    this.credentials.connectionLost();
    this.watches.table.connectionLost();
  }
}
