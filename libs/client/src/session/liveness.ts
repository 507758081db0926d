const PING_IDLE_MS_MAX = 10_000;

/**
 * What the clock says about a session: when to ping, when the connection is dead, and until when
 * the session is certain to live.
 *
 * The server expires a session no sooner than the timeout after it last heard of it. What it has
 * acknowledged it had heard, no earlier than when that was sent. So the session lives at least
 * until the *send* time of the newest acknowledged request plus the timeout. Counting from when
 * the answer came, or from when the connection broke, would be too late by up to a round trip or
 * by the read timeout: in that gap two clients could each believe to hold one lock.
 *
 * All times are on the host's monotonic clock, in milliseconds.
 */
export class Liveness {
  /** The timeout that the server granted. */
  timeoutMs = 0;
  private readonly holdFraction: number;
  private acknowledgedSendMs = -Infinity;
  /** What was sent before this proves nothing any more about how long the session is certain. */
  private doubtedAtMs = -Infinity;
  private lastSentMs = 0;
  private lastReceivedMs = 0;

  /** @param holdFraction The part of the timeout for which {@link holdUntilMs} vouches. */
  constructor(holdFraction: number) {
    this.holdFraction = holdFraction;
  }

  /** A handshake that was sent at `sentMs` was answered at `nowMs` with `timeoutMs`. */
  established(timeoutMs: number, sentMs: number, nowMs: number): void {
    this.timeoutMs = timeoutMs;
    this.acknowledgedSendMs = sentMs;
    this.lastSentMs = sentMs;
    this.lastReceivedMs = nowMs;
  }

  /** There is no session any more. */
  ended(): void {
    this.acknowledgedSendMs = -Infinity;
  }

  sent(nowMs: number): void {
    this.lastSentMs = nowMs;
  }

  received(nowMs: number): void {
    this.lastReceivedMs = nowMs;
  }

  /** The server has answered what was sent at `sentMs`. */
  acknowledged(sentMs: number): void {
    if (sentMs > this.acknowledgedSendMs) this.acknowledgedSendMs = sentMs;
  }

  /** The clock has missed some time, nobody knows how much. */
  doubt(nowMs: number): void {
    this.doubtedAtMs = nowMs;
  }

  /** Until when leases may be held: a safe part of the time that the session surely lives. */
  get holdUntilMs(): number {
    if (this.acknowledgedSendMs < this.doubtedAtMs) return -Infinity;
    return this.acknowledgedSendMs + this.timeoutMs * this.holdFraction;
  }

  /** When the session must be presumed lost. */
  get lostAtMs(): number {
    return this.acknowledgedSendMs + this.timeoutMs;
  }

  /** How long nothing has come. */
  silenceMs(nowMs: number): number {
    return nowMs - this.lastReceivedMs;
  }

  /** When a connection on which nothing comes is dead: two thirds of the timeout. */
  get silentAtMs(): number {
    return this.lastReceivedMs + (this.timeoutMs * 2) / 3;
  }

  /** When to ping if nothing else is sent: half of the silence that is allowed. */
  get pingAtMs(): number {
    return this.lastSentMs + Math.min(this.timeoutMs / 3, PING_IDLE_MS_MAX);
  }
}
