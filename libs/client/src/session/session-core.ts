import { assertNever } from '@aviary/foundation';
import { FrameReader, OpCode, type FrameSink } from '@aviary/protocol';
import type { Lost } from '../session-state.js';
import { Exchange, type Verdict } from './exchange.js';
import { NO_PASSWORD, readHandshake, writeHandshake, type Handshake } from './handshake.js';
import { Liveness } from './liveness.js';
import type { Credential, SessionInput, SessionOutput, SessionSettings } from './session-io.js';
import type { SessionRequest } from './session-request.js';

const ATTEMPT_MS_MIN = 100;
const ATTEMPT_MS_MAX = 10_000;
/** An attempt to connect takes at most this part of the timeout, so that others can follow. */
const ATTEMPTS_PER_TIMEOUT = 3;

const NOTHING: readonly SessionOutput[] = [];

/**
 * The connection: not wanted yet, wanted, open without an answer to the handshake, up, open only to
 * end a session that was presumed lost, never wanted again.
 */
type Link = 'off' | 'down' | 'handshake' | 'up' | 'burying' | 'over';

/**
 * The session of a client as a function from inputs to outputs: handshake, requests and their
 * answers, watches, identities, and what the clock says of all of them.
 *
 * It holds no socket and no clock. {@link wakeAtMs} says when it wants a `tick`; after any input
 * {@link wantsFlush} says whether it has something to send at the end of the turn.
 *
 * A session that was presumed lost may still live at the server, with its ephemeral nodes, for as long
 * as it likes: servers that start, and new leaders, give every session its whole time again. So the
 * first thing that the next connection does is to end it (`burying`), and only then to make a new
 * one: nobody has to wait for nodes that belong to nobody.
 */
export class SessionCore implements FrameSink {
  private readonly settings: SessionSettings;
  private readonly liveness: Liveness;
  private readonly exchange: Exchange;
  private outputs: SessionOutput[] = [];
  private nowMs = 0;

  private link: Link = 'off';
  private frames: FrameReader;
  private handshakeSentMs = 0;
  /** When the handshake, or the burial, has taken too long. */
  private handshakeUntilMs = Infinity;

  /** `dead`: presumed lost, and perhaps alive at the server. */
  private session: 'none' | 'alive' | 'dead' = 'none';
  private id = 0n;
  private password: Uint8Array = NO_PASSWORD;
  /** Whether this session was ever on a server with a quorum; if not, no other server knows it. */
  private readWriteSeen = false;
  private closing = false;
  private closeUntilMs = Infinity;
  private overBy: 'authFailed' | 'closed' = 'closed';

  private refusedSinceMs: number | null = null;
  /** Whether the ensemble may have begun anew, so that no server will ever have seen our zxid. */
  private doubtsHistory = false;
  /** Whether this connection names no zxid, and asks first what the ensemble has. */
  private asksHistory = false;
  /** How many connections have opened in this doubt. */
  private doubtfulOpenings = 0;
  private histories = 0;

  constructor(settings: SessionSettings) {
    this.settings = settings;
    this.liveness = new Liveness(settings.holdFraction);
    this.exchange = new Exchange(settings, this.liveness, (output) => this.outputs.push(output));
    this.frames = new FrameReader(settings.replyBytesMax);
  }

  /** The session that lives as far as is known; 0 without one. */
  get sessionId(): bigint {
    return this.session === 'alive' ? this.id : 0n;
  }

  /** The highest zxid that an answer carried. */
  get lastZxid(): bigint {
    return this.exchange.lastZxid;
  }

  /** Grows when the ensemble turned out to have lost its history, and `lastZxid` began anew. */
  get history(): number {
    return this.histories;
  }

  /** Until when leases of this session may be held; -Infinity without a session. */
  get holdUntilMs(): number {
    return this.session === 'alive' ? this.liveness.holdUntilMs : -Infinity;
  }

  /** Watches that wait to fire, and trees. */
  get watchCount(): number {
    return this.exchange.watches.table.size;
  }

  /** How long one attempt to connect, and then the handshake, may take. */
  get attemptTimeoutMs(): number {
    const timeoutMs =
      this.session === 'alive' ? this.liveness.timeoutMs : this.settings.sessionTimeoutMs;
    const share = timeoutMs / Math.max(this.settings.serverCount, ATTEMPTS_PER_TIMEOUT);
    return Math.min(Math.max(share, ATTEMPT_MS_MIN), ATTEMPT_MS_MAX);
  }

  /** Whether a `flush` at the end of the turn would send something. */
  get wantsFlush(): boolean {
    return this.exchange.wantsFlush;
  }

  /** When the next `tick` is due; Infinity: not by itself. */
  get wakeAtMs(): number {
    const { link, liveness } = this;
    let at = this.exchange.deadlineAtMs;
    if (this.closing) at = Math.min(at, this.closeUntilMs);
    if (link === 'handshake' || link === 'burying') at = Math.min(at, this.handshakeUntilMs);
    if (this.session === 'alive') at = Math.min(at, liveness.lostAtMs);
    if (link === 'up') {
      at = Math.min(at, liveness.silentAtMs);
      if (!this.exchange.blocked) at = Math.min(at, liveness.pingAtMs);
    }
    return at;
  }

  /** Returns what the host must now do, in order. Never throws for what a server sent. */
  step(input: SessionInput): readonly SessionOutput[] {
    if ('nowMs' in input) this.nowMs = input.nowMs;
    this.handle(input);
    if (this.outputs.length === 0) return NOTHING;
    const { outputs } = this;
    this.outputs = [];
    return outputs;
  }

  private handle(input: SessionInput): void {
    const { exchange } = this;
    switch (input.kind) {
      case 'submit':
        return this.onSubmit(input.request);
      case 'bytes':
        return this.onBytes(input.bytes, input.start, input.end);
      case 'flush':
        this.checkClock();
        return exchange.flush(this.nowMs);
      case 'tick':
        return this.checkClock();
      case 'clockJumped':
        return this.onClockJumped();
      case 'blocked':
        exchange.blocked = true;
        return;
      case 'drained':
        exchange.blocked = false;
        return exchange.flush(this.nowMs);
      case 'abort':
        return exchange.abort(input.request);
      case 'cancelWatch':
        return exchange.watches.cancel(input.watch);
      case 'addTree':
        if (!this.isOver()) exchange.watches.addTree(input.path, input.mode);
        return;
      case 'removeTree':
        return exchange.watches.removeTree(input.path, input.mode);
      case 'addAuth':
        return this.onAddAuth(input.credential);
      case 'start':
        return this.onStart();
      case 'opened':
        return this.onOpened();
      case 'broken':
        return this.onBroken(input.reason);
      case 'close':
        return this.onClose(input.untilMs);
      default:
        return assertNever(input);
    }
  }

  private emit(output: SessionOutput): void {
    this.outputs.push(output);
  }

  private isOver(): boolean {
    return this.link === 'over';
  }

  // Connection

  private onStart(): void {
    if (this.link !== 'off') return;
    this.link = 'down';
    this.emit({ kind: 'connect' });
  }

  private onOpened(): void {
    if (this.link !== 'down') return;
    const none = this.session === 'none';
    this.link = 'handshake';
    this.handshakeSentMs = this.nowMs;
    this.handshakeUntilMs = this.nowMs + this.attemptTimeoutMs;
    this.asksHistory = this.isTimeToAsk();
    const request = {
      lastZxidSeen: this.asksHistory ? 0n : this.lastZxid,
      timeOut: this.settings.sessionTimeoutMs,
      sessionId: none ? 0n : this.id,
      passwd: none ? NO_PASSWORD : this.password,
    };
    const { readOnlyAllowed } = this.settings;
    this.exchange.write((writer) => writeHandshake(writer, request, readOnlyAllowed), this.nowMs);
  }

  /**
   * In doubt every server is met both ways in turn, by whole rounds: one that has seen our zxid need not be
   * asked, and may serve reads only.
   */
  private isTimeToAsk(): boolean {
    if (!this.doubtsHistory) return false;
    const round = Math.floor(this.doubtfulOpenings++ / this.settings.serverCount);
    return round % 2 === 0;
  }

  /** Looks at no clock: after a pause, what comes now may prove in pieces that the session lives. */
  private onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.link === 'off' || this.link === 'down' || this.link === 'over') return;
    this.liveness.received(this.nowMs);
    const fault = this.frames.push(bytes, start, end, this);
    if (fault !== null) this.drop(this.exchange.refuseFrame(fault.announcedBytes));
  }

  /** @internal For the frame reader. */
  onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    const { link } = this;
    if (link === 'handshake') {
      this.onHandshake(readHandshake(bytes, start, end));
    } else if (link === 'burying') {
      this.drop('the lost session was ended');
    } else {
      const verdict = this.exchange.received(bytes, start, end);
      if (verdict !== null) this.judge(verdict);
    }
    return this.link === 'up' || this.link === 'burying';
  }

  private judge(verdict: Verdict): void {
    switch (verdict.kind) {
      case 'drop':
        return this.drop(verdict.reason);
      case 'credentialsRefused':
        return this.end('authFailed', 'the server refused the credentials');
      case 'sessionClosed':
        return this.finish(true);
      case 'history':
        this.doubtsHistory = false;
        if (verdict.isLost) this.histories++;
        return;
      default:
        return assertNever(verdict);
    }
  }

  /** Closes the connection from this side. */
  private drop(reason: string): void {
    this.emit({ kind: 'disconnect', reason });
    this.onBroken(reason);
  }

  private onBroken(reason: string): void {
    const was = this.link;
    if (was !== 'handshake' && was !== 'up' && was !== 'burying') return;
    this.link = 'down';
    this.frames = new FrameReader(this.settings.replyBytesMax);
    this.exchange.connectionLost(reason);
    if (was === 'burying') this.session = 'none';
    if (was === 'handshake') this.countRefusal();
    if (this.session === 'alive' && !this.readWriteSeen) this.lose('presumed');
    else if (this.session === 'alive' && was === 'up') {
      const { lostAtMs } = this.liveness;
      const state = { kind: 'suspended', sessionId: this.id, reason, lostAtMs } as const;
      this.emit({ kind: 'state', state });
    }
    if (this.isOver()) return;
    if (this.closing) this.exchange.submitClose();
    this.emit({ kind: 'connect' });
    this.checkClock();
  }

  /**
   * A server closes the connection without a word while it is starting or has no quorum, and also if it
   * has not yet reached the zxid that we have seen. If all do that for a whole session timeout, while
   * there is no session that could be betrayed, then the ensemble may have been built anew. From then on
   * connections name no zxid in every other round, and then a `sync` goes before everything else: what its
   * answer has seen is what the leader has, and only if that is less than we have seen is the history a
   * new one. Without the `sync` a follower that lags behind would do.
   */
  private countRefusal(): void {
    if (this.session === 'alive' || this.lastZxid === 0n || this.doubtsHistory) return;
    this.refusedSinceMs ??= this.nowMs;
    if (this.nowMs - this.refusedSinceMs < this.settings.sessionTimeoutMs) return;
    this.doubtsHistory = true;
    this.doubtfulOpenings = 0;
  }

  // Session

  private onHandshake(handshake: Handshake | null): void {
    if (handshake === null) return this.drop('the answer to the handshake cannot be read');
    if (this.asksHistory && handshake.readOnly) {
      return this.drop('a read-only server cannot say what the ensemble has');
    }
    const was = this.session;
    const granted = handshake.timeoutMs > 0 && handshake.sessionId !== 0n;
    if (was === 'none') {
      if (granted) return this.establish(handshake, 'connected');
      return this.drop('the server refused a new session');
    }
    if (granted && handshake.sessionId === this.id) {
      if (was === 'alive') return this.establish(handshake, 'reconnected');
      return this.bury();
    }
    if (was === 'alive') this.lose(granted ? 'replaced' : 'expired');
    this.session = 'none';
    if (this.isOver()) return;
    if (granted) this.establish(handshake, 'connected');
    else this.drop('the session has expired');
  }

  private establish(handshake: Handshake, kind: 'connected' | 'reconnected'): void {
    const { timeoutMs, readOnly } = handshake;
    this.link = 'up';
    this.session = 'alive';
    this.id = handshake.sessionId;
    this.password = handshake.password;
    this.refusedSinceMs = null;
    if (!this.asksHistory) this.doubtsHistory = false;
    if (kind === 'connected') this.readWriteSeen = false;
    if (!readOnly) this.readWriteSeen = true;
    this.liveness.established(timeoutMs, this.handshakeSentMs, this.nowMs);
    this.emit({ kind: 'state', state: { kind, sessionId: this.id, timeoutMs, readOnly } });
    const session = kind === 'connected' ? 'newSession' : 'reconnected';
    this.exchange.opened(session, this.asksHistory, this.nowMs);
  }

  /** Ends the session on this connection; the server then closes it. */
  private bury(): void {
    this.link = 'burying';
    this.handshakeUntilMs = this.nowMs + this.attemptTimeoutMs;
    this.exchange.write((writer) => {
      writer.int(1);
      writer.int(OpCode.closeSession);
    }, this.nowMs);
  }

  private lose(reason: Lost['reason']): void {
    const sessionId = this.id;
    this.session = reason === 'presumed' && this.readWriteSeen ? 'dead' : 'none';
    this.liveness.ended();
    this.emit({ kind: 'state', state: { kind: 'lost', sessionId, reason } });
    const wasUp = this.link === 'up';
    if (wasUp) {
      this.link = 'down';
      this.frames = new FrameReader(this.settings.replyBytesMax);
      this.emit({ kind: 'disconnect', reason: `the session was lost (${reason})` });
    }
    this.exchange.sessionLost(sessionId);
    if (this.closing) this.finish(reason === 'expired');
    else if (wasUp) this.emit({ kind: 'connect' });
  }

  private onAddAuth(credential: Credential): void {
    if (!this.isOver()) return this.exchange.addCredential(credential, this.nowMs);
    const result = this.overBy === 'closed' ? 'closed' : 'refused';
    this.emit({ kind: 'authSettled', credential, result });
  }

  private onSubmit(request: SessionRequest): void {
    const { exchange } = this;
    if (this.isOver()) {
      const detail = this.overBy === 'closed' ? 'the client is closed' : 'authentication failed';
      return exchange.fail(request, this.overBy, detail);
    }
    if (this.closing) return exchange.fail(request, 'closed', 'the client is closing');
    const { inSession } = request;
    if (inSession !== null && inSession !== this.sessionId) {
      return exchange.fail(request, 'sessionExpired', 'its session is over');
    }
    exchange.submit(request, this.sessionId);
  }

  private onClose(untilMs: number): void {
    if (this.closing || (this.isOver() && this.overBy === 'closed')) return;
    if (this.session === 'alive') {
      this.closing = true;
      this.closeUntilMs = untilMs;
      this.exchange.submitClose();
    } else {
      this.finish(this.session === 'none' && !this.isOver());
    }
  }

  private finish(sessionClosed: boolean): void {
    this.end('closed', 'the client was closed');
    this.emit({ kind: 'state', state: { kind: 'closed', sessionClosed } });
  }

  private end(by: 'authFailed' | 'closed', detail: string): void {
    if (this.link !== 'off' && this.link !== 'over') {
      this.emit({ kind: 'disconnect', reason: detail });
    }
    this.link = 'over';
    this.overBy = by;
    this.session = 'none';
    this.closing = false;
    this.liveness.ended();
    this.exchange.end(by, detail);
    if (by === 'authFailed') this.emit({ kind: 'state', state: { kind: 'authFailed' } });
  }

  // Time

  /** Leases are void until a server has been heard of anew. The session is given a chance. */
  private onClockJumped(): void {
    this.liveness.doubt(this.nowMs);
    this.emit({ kind: 'doubted' });
    if (this.link === 'up' && !this.exchange.blocked) this.exchange.ping(this.nowMs);
  }

  private checkClock(): void {
    const { nowMs, exchange, liveness } = this;
    exchange.expireRequests(nowMs);
    if (this.closing && nowMs >= this.closeUntilMs) this.finish(false);
    if (this.session === 'alive' && nowMs >= liveness.lostAtMs) this.lose('presumed');
    if (this.link === 'handshake' || this.link === 'burying') {
      if (nowMs < this.handshakeUntilMs) return;
      return this.drop('the server did not answer the handshake in time');
    }
    if (this.link !== 'up') return;
    if (nowMs >= liveness.silentAtMs) {
      return this.drop(`nothing was received for ${Math.round(liveness.silenceMs(nowMs))} ms`);
    }
    if (!exchange.blocked && nowMs >= liveness.pingAtMs) exchange.ping(nowMs);
  }
}
