import { setMaxListeners } from 'node:events';
import { formatSessionId, type Clock, type Timer } from '@aviary/foundation';
import { SessionExpiredError } from './errors.js';

/** A timer that is later than this tells of a stopped process or a blocked event loop. */
const LATE_MS = 50;

/** What is asked of the session: which one lives, and until when it is certain. */
export interface HoldSource {
  /** 0 without a session. */
  readonly sessionId: bigint;
  readonly holdUntilMs: number;
  /** On the clock that `holdUntilMs` is on. */
  nowMs(): number;
}

/**
 * Turns the moving moment until which leases may be held into a signal that aborts when it comes.
 *
 * One timer serves all leases of a session. After a stopped process it lets the answers in first
 * that wait in the socket, for they may prove that the session lives; the comparison with the clock
 * that leases make before they write does not wait for anything.
 */
export class HoldWatch {
  private readonly clock: Clock;
  private readonly source: HoldSource;
  private controller: AbortController | null = null;
  private sessionId = 0n;
  private timer: Timer | null = null;

  constructor(clock: Clock, source: HoldSource) {
    this.clock = clock;
    this.source = source;
  }

  /** A signal that aborts when leases of `sessionId` must end; aborted if that is already so. */
  signal(sessionId: bigint): AbortSignal {
    if (!this.isCertain(sessionId)) return AbortSignal.abort(endOf(sessionId));
    if (this.controller !== null && this.sessionId === sessionId) return this.controller.signal;
    this.sessionId = sessionId;
    this.controller = new AbortController();
    // Every lease of the process may listen to it, and Node takes more than ten for a leak.
    setMaxListeners(0, this.controller.signal);
    this.arm();
    return this.controller.signal;
  }

  /** Something changed: the session may be over, or in doubt. */
  check(): void {
    if (this.controller !== null && !this.isCertain(this.sessionId)) this.end();
  }

  private isCertain(sessionId: bigint): boolean {
    const { source } = this;
    // The clock first: reading it may bring to light that the machine slept.
    const nowMs = source.nowMs();
    return sessionId !== 0n && source.sessionId === sessionId && nowMs < source.holdUntilMs;
  }

  private arm(): void {
    const dueMs = this.source.holdUntilMs;
    const delayMs = Math.max(dueMs - this.source.nowMs(), 1);
    this.timer = this.clock.setTimer(delayMs, () => {
      this.timer = null;
      const late = this.source.nowMs() - dueMs > LATE_MS;
      if (late) this.clock.atEndOfTurn(() => this.endOrArm());
      else this.endOrArm();
    });
  }

  private endOrArm(): void {
    if (this.controller === null || this.timer !== null) return;
    if (this.isCertain(this.sessionId)) this.arm();
    else this.end();
  }

  private end(): void {
    const { controller } = this;
    this.controller = null;
    this.timer?.cancel();
    this.timer = null;
    controller?.abort(endOf(this.sessionId));
  }
}

function endOf(sessionId: bigint): SessionExpiredError {
  const message =
    `session ${formatSessionId(sessionId)} is over, or no longer certain to live: ` +
    'nothing that was sent lately has been acknowledged';
  return new SessionExpiredError(message, { outcome: 'notApplied' });
}
