import type { Clock, Timer } from '@aviary/foundation';
import { SessionMap } from '@aviary/znodes';

/** Later than this a timer counts as held up: by a pause of the process or of its machine. */
const LATENESS_TOLERATED_MS = 50;

/** What holds a session on this server: a connection. */
export interface SessionHolder {
  /** Closes at once. */
  destroy(): void;
  /** Sends what is waiting, then closes. */
  end(): void;
  /** Whether what the client says is left unread, for no fault of its own. */
  isHeldUp(): boolean;
}

/** A session, open or closing. */
export class Session {
  /** The tick at whose end it expires, if it is not heard of again. */
  expiryTick = 0;
  /** Whether its end is on its way through the log. */
  isClosing = false;
  /** The connection that has it now. */
  connection: SessionHolder | null = null;

  constructor(
    readonly high: number,
    readonly low: number,
    public timeoutMs: number,
  ) {}

  get id(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }
}

/**
 * Knows when sessions expire.
 *
 * Sessions lie in buckets, one per tick, and move to a later one when they are heard of; expiry
 * looks at one bucket per tick, so ten thousand idle sessions cost nothing in between. A session
 * expires in (timeout, timeout + tick] after it was last heard of.
 *
 * The tracker's time stands still while the process does: when the tick's timer fires late, what is
 * missing was a pause of ours, in which no client could have been heard, and is given back. So is the
 * time in which the server leaves a connection unread because of its own load.
 */
export class SessionTracker {
  private readonly sessions = new SessionMap<Session>();
  private readonly buckets = new Map<number, Set<Session>>();
  private pausedMs = 0;
  private nextTick = 0;
  private timer: Timer | null = null;

  /**
   * @param onExpired Called for a session that was not heard of in time; it is then closing.
   */
  constructor(
    private readonly clock: Clock,
    private readonly tickMs: number,
    private readonly onExpired: (session: Session) => void,
  ) {}

  get size(): number {
    return this.sessions.size;
  }

  /** Starts the clock; what was added before starts with its whole timeout. */
  start(): void {
    this.nextTick = this.tickOf(this.nowMs());
    this.sessions.forEach((session) => this.touch(session, this.clock.monotonicMs()));
    this.arm();
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  find(high: number, low: number): Session | undefined {
    return this.sessions.get(high, low);
  }

  add(session: Session): void {
    this.sessions.set(session.high, session.low, session);
    this.touch(session, this.clock.monotonicMs());
  }

  remove(session: Session): void {
    this.sessions.delete(session.high, session.low);
    this.leaveBucket(session);
  }

  /** Notes that the session was heard of at `monotonicMs`. */
  touch(session: Session, monotonicMs: number): void {
    const wanted = this.tickOf(monotonicMs - this.pausedMs + session.timeoutMs) + 1;
    // A bucket that was looked at is never looked at again.
    const tick = Math.max(wanted, this.nextTick + 1);
    if (tick === session.expiryTick || session.isClosing) return;
    this.leaveBucket(session);
    session.expiryTick = tick;
    const bucket = this.buckets.get(tick);
    if (bucket === undefined) this.buckets.set(tick, new Set([session]));
    else bucket.add(session);
  }

  /** Sessions by the time left until they expire, in milliseconds; for people. */
  *byExpiry(): IterableIterator<{ inMs: number; sessions: readonly Session[] }> {
    const nowMs = this.nowMs();
    for (const tick of [...this.buckets.keys()].sort((a, b) => a - b)) {
      const bucket = this.buckets.get(tick);
      if (bucket === undefined) continue;
      yield { inMs: tick * this.tickMs - nowMs, sessions: [...bucket] };
    }
  }

  forEach(visit: (session: Session) => void): void {
    this.sessions.forEach(visit);
  }

  private nowMs(): number {
    return this.clock.monotonicMs() - this.pausedMs;
  }

  private tickOf(ms: number): number {
    return Math.floor(ms / this.tickMs);
  }

  private arm(): void {
    const dueMs = (this.nextTick + 1) * this.tickMs;
    const delayMs = Math.max(dueMs - this.nowMs(), 0);
    this.timer = this.clock.setTimer(delayMs, () => this.onTick(dueMs));
  }

  private onTick(dueMs: number): void {
    const latenessMs = this.nowMs() - dueMs;
    if (latenessMs > LATENESS_TOLERATED_MS) this.pausedMs += latenessMs;
    // After a long pause what clients sent meanwhile lies unread in the sockets: it is read first.
    if (latenessMs > this.tickMs) this.pausedMs += this.tickMs;
    const reached = this.tickOf(this.nowMs());
    for (; this.nextTick < reached; this.nextTick++) this.expire(this.nextTick + 1);
    this.arm();
  }

  private expire(tick: number): void {
    const bucket = this.buckets.get(tick);
    if (bucket === undefined) return;
    this.buckets.delete(tick);
    const nowMs = this.clock.monotonicMs();
    for (const session of bucket) {
      if (session.isClosing) continue;
      if (session.connection?.isHeldUp() === true) {
        this.touch(session, nowMs);
        continue;
      }
      session.isClosing = true;
      this.onExpired(session);
    }
  }

  private leaveBucket(session: Session): void {
    const bucket = this.buckets.get(session.expiryTick);
    if (bucket === undefined) return;
    bucket.delete(session);
    if (bucket.size === 0) this.buckets.delete(session.expiryTick);
  }
}
