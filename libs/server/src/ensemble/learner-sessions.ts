import { SessionMap } from '@aviary/znodes';
import type { SessionRegistry } from '../port-role.js';
import type { Session } from '../session-tracker.js';

/** Takes a session that was heard of. */
export type TouchSink = (high: number, low: number, timeoutMs: number) => void;

/**
 * The sessions of a learner's own clients. They do not expire here: what was heard of is told to the
 * leader with every answer to a ping, and then forgotten.
 */
export class LearnerSessions implements SessionRegistry {
  private readonly sessions = new SessionMap<Session>();
  private touched = new SessionMap<number>();

  get size(): number {
    return this.sessions.size;
  }

  find(high: number, low: number): Session | undefined {
    return this.sessions.get(high, low);
  }

  add(session: Session): void {
    this.sessions.set(session.high, session.low, session);
    this.touch(session);
  }

  remove(session: Session): void {
    this.sessions.delete(session.high, session.low);
  }

  touch(session: Session): void {
    this.touched.set(session.high, session.low, session.timeoutMs);
  }

  /** Hands over what was heard of since the last time. */
  takeTouched(sink: TouchSink): void {
    const { touched } = this;
    if (touched.size === 0) return;
    this.touched = new SessionMap<number>();
    touched.forEach((timeoutMs, high, low) => sink(high, low, timeoutMs));
  }

  *byExpiry(): IterableIterator<{ inMs: number; sessions: readonly Session[] }> {
    // Only the leader knows.
  }
}
