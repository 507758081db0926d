import type { JuteReader } from '@aviary/jute';
import type { RequestOrigin } from '@aviary/znodes';
import type { Session } from './session-tracker.js';
import type { WritePath } from './write-path.js';
import type { WriteOwner } from './write-queue.js';

/** The sessions that a server keeps: all of the ensemble, or those of its own clients. */
export interface SessionRegistry {
  readonly size: number;
  find(high: number, low: number): Session | undefined;
  add(session: Session): void;
  remove(session: Session): void;
  /** Notes that the session was heard of at `monotonicMs`. */
  touch(session: Session, monotonicMs: number): void;
  /** Sessions by the time left until they expire; none where another server decides that. */
  byExpiry(): IterableIterator<{ inMs: number; sessions: readonly Session[] }>;
}

/** What a server is among the others. */
export type ServerMode = 'standalone' | 'leader' | 'follower' | 'observer';

/** What a server is in its ensemble, as far as its own clients meet it. */
export interface PortRole {
  /** As four-letter words and metrics call it. */
  readonly mode: ServerMode;
  readonly writes: WritePath;
  readonly sessions: SessionRegistry;
  /** Sessions that this server has let expire. */
  readonly sessionsExpired: number;

  /** Figures for `mntr` that only this role has. */
  figures(): readonly (readonly [string, number])[];

  /** A new session; it counts once its creation is applied. */
  makeSession(timeoutMs: number): Session;

  /** Why a write of that type cannot be taken now: an error code, or 0. */
  refusalOf(type: number): number;

  /**
   * Takes over a write that the role before was asked for, and that nothing came of. Much may have
   * become of its session meanwhile: whoever decides that looks, and refuses it if need be.
   */
  takeOver(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void;

  /** Whether only another server knows which sessions are open: then {@link revalidate} asks it. */
  readonly asksForSessions: boolean;

  /** A client has come with a session; `answer` gets it, or null if it is not open. */
  revalidate(
    high: number,
    low: number,
    timeoutMs: number,
    answer: (session: Session | null) => void,
  ): void;

  start(): void;
  /** From here on nothing begins by itself: no session ends, no container goes. */
  stop(): void;
}
