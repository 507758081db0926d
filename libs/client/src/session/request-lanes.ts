import type { JuteWriter } from '@aviary/jute';
import { Deque } from './deque.js';
import { InternalRequest, type SessionRequest } from './session-request.js';
import { WaitingList } from './waiting-list.js';

const XID_MAX = 0x7fff_ffff;

/** What became of the requests when the connection broke. */
export interface BrokenLanes {
  /** Sent, and their answers are lost. */
  readonly lost: SessionRequest[];
  /** Never sent, but given up because a write before them is lost. */
  readonly refused: SessionRequest[];
}

/** What a request became when it was to be sent. */
export type SendResult = 'sent' | 'tooLarge';

/**
 * The requests of a session: those that wait to be sent and those that wait for their answers.
 *
 * Answers come in the order of the requests, so a queue is enough to match them; the xid only
 * proves that both sides count alike. A request that was given up after it was sent keeps its
 * place in the queue, because its answer still comes.
 *
 * When the connection breaks, the answers on their way are lost. What only reads is sent again. A
 * write is given up, for it may have been applied; and then so are the writes behind it that were
 * not sent: what a session has applied stays a prefix of what its owner asked for.
 */
export class RequestLanes {
  private readonly waiting = new WaitingList();
  private readonly inFlight = new Deque<SessionRequest>();
  private lastXid = 0;
  /** No request that is in a lane has a deadline before this; a bound, for those leave silently. */
  private deadlineBoundMs = Infinity;
  private readonly attemptsMax: number;

  /** @param attemptsMax How often a request that only reads is sent before it is given up. */
  constructor(attemptsMax: number) {
    this.attemptsMax = attemptsMax;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  get inFlightCount(): number {
    return this.inFlight.size;
  }

  /** When {@link expire} has something to look at. */
  get wakeAtMs(): number {
    return this.isEmpty ? Infinity : this.deadlineBoundMs;
  }

  private get isEmpty(): boolean {
    return this.waiting.size === 0 && this.inFlight.size === 0;
  }

  enqueue(request: SessionRequest): void {
    if (this.isEmpty) this.deadlineBoundMs = Infinity;
    request.phase = 'waiting';
    this.waiting.push(request);
    if (request.deadlineAtMs < this.deadlineBoundMs) this.deadlineBoundMs = request.deadlineAtMs;
  }

  /** The request that is to be sent next. */
  next(): SessionRequest | null {
    return this.waiting.first;
  }

  /** Takes back a request that was not sent. */
  withdraw(request: SessionRequest): void {
    this.waiting.remove(request);
  }

  /** Appends the frame of `request` and moves it to those that wait for answers. */
  send(
    request: SessionRequest,
    writer: JuteWriter,
    nowMs: number,
    frameBytesMax: number,
  ): SendResult {
    if (request.phase === 'waiting') this.waiting.remove(request);
    const xid = this.lastXid === XID_MAX ? 1 : this.lastXid + 1;
    const frameAt = writer.reserve(4);
    writer.int(xid);
    writer.int(request.opCode);
    request.writeBody(writer);
    const length = writer.position - frameAt - 4;
    if (length > frameBytesMax) {
      writer.position = frameAt;
      return 'tooLarge';
    }
    writer.intAt(frameAt, length);
    this.lastXid = xid;
    request.xid = xid;
    request.phase = 'sent';
    request.sentAtMs = nowMs;
    request.attempts++;
    this.inFlight.push(request);
    return 'sent';
  }

  /** The request whose answer comes next. */
  oldest(): SessionRequest | undefined {
    return this.inFlight.peek();
  }

  /** Takes the oldest request: its answer is here. */
  answered(): void {
    this.inFlight.shift();
  }

  /** Sorts out the requests after the connection broke. */
  connectionLost(): BrokenLanes {
    const lost: SessionRequest[] = [];
    const refused: SessionRequest[] = [];
    const again: SessionRequest[] = [];
    let writeLost = false;
    for (const request of this.inFlight.drain()) {
      if (request.phase === 'settled') continue;
      if (!request.repeatable && !(request instanceof InternalRequest)) writeLost = true;
      if (request.repeatable && request.attempts < this.attemptsMax) again.push(request);
      else lost.push(request);
    }
    if (writeLost) {
      for (const request of this.waiting) {
        if (request.repeatable || request instanceof InternalRequest) continue;
        this.waiting.remove(request);
        refused.push(request);
      }
    }
    for (const request of again) request.phase = 'waiting';
    this.waiting.prepend(again);
    return { lost, refused };
  }

  /** Removes and returns the waiting requests that `unfit` picks. */
  removeWaiting(unfit: (request: SessionRequest) => boolean): SessionRequest[] {
    const removed: SessionRequest[] = [];
    for (const request of this.waiting) {
      if (!unfit(request)) continue;
      this.waiting.remove(request);
      removed.push(request);
    }
    return removed;
  }

  /** Empties the lane of those that wait for answers; settled ones are left out. */
  drainInFlight(): SessionRequest[] {
    return this.inFlight.drain().filter((request) => request.phase !== 'settled');
  }

  /** The requests whose deadline has passed; the caller settles them. */
  expire(nowMs: number): SessionRequest[] {
    if (nowMs < this.deadlineBoundMs) return [];
    const expired: SessionRequest[] = [];
    let bound = Infinity;
    const look = (request: SessionRequest) => {
      if (request.phase === 'settled') return;
      if (request.deadlineAtMs <= nowMs) expired.push(request);
      else if (request.deadlineAtMs < bound) bound = request.deadlineAtMs;
    };
    for (const request of this.waiting) look(request);
    for (const request of this.inFlight) look(request);
    for (const request of expired) if (request.phase === 'waiting') this.waiting.remove(request);
    this.deadlineBoundMs = bound;
    return expired;
  }
}
