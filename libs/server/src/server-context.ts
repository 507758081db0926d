import type { Clock, Log } from '@aviary/foundation';
import type { JuteReader } from '@aviary/jute';
import type { DataTree, WatchEvent } from '@aviary/znodes';
import type { ClientConnection } from './client-connection.js';
import type { ConnectionOutput } from './connection-output.js';
import type { LatencyMeter } from './latency-meter.js';
import type { ServerOptions } from './options.js';
import type { OutputPool } from './output-pool.js';
import type { SessionPasswords } from './password-keeper.js';
import type { ReadAnswers } from './read-answers.js';
import type { ReadOperations } from './read-operations.js';
import type { SessionRegistry } from './port-role.js';
import type { Session } from './session-tracker.js';
import type { WatchRestorer } from './set-watches.js';
import type { WritePath } from './write-path.js';

/** Packets in and out, for monitoring. */
export interface Traffic {
  received: number;
  sent: number;
}

/** What a connection needs of the server around it. */
export interface ServerContext {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly tree: DataTree;
  readonly reads: ReadOperations;
  readonly answers: ReadAnswers;
  readonly watchRestorer: WatchRestorer;
  readonly writes: WritePath;
  readonly sessions: SessionRegistry;
  readonly passwords: SessionPasswords;
  readonly outputs: OutputPool;
  readonly latency: LatencyMeter;
  readonly traffic: Traffic;
  /** Reads the body of the request at hand; one for all, since requests are handled one by one. */
  readonly body: JuteReader;

  /** Whether the server takes requests. */
  readonly isServing: boolean;

  /** Whether nothing is sent: it is not certain yet that what is answered will stand. */
  readonly isMuted: boolean;

  /** A new session; it counts once its creation is applied. */
  makeSession(timeoutMs: number): Session;

  /** Whether only another server knows which sessions are open: then {@link revalidate} asks it. */
  readonly asksForSessions: boolean;

  /** A client has come with a session; `answer` gets it, or null if it is not open. */
  revalidate(
    high: number,
    low: number,
    timeoutMs: number,
    answer: (session: Session | null) => void,
  ): void;

  /** Makes the answer to a four-letter word. */
  answerWord(word: string): string | Promise<string>;

  /** The notification of `event` as a whole frame. */
  encodeEvent(event: WatchEvent): Uint8Array;

  /** There is output that leaves at the end of the turn. */
  noteOutput(output: ConnectionOutput): void;

  /** A connection makes the server hold so many bytes more; at the limit somebody is cut off. */
  countHeldBytes(more: number): void;

  /** Why a write of that type cannot be taken now: an error code, or 0. */
  refusalOf(type: number): number;

  /** Everything that was noted leaves now. */
  flushOutputs(): void;

  /** The connection has requests that it takes as soon as all that is durable is applied. */
  noteHeld(connection: ClientConnection): void;

  /** The connection waits until fewer writes are outstanding. */
  waitForRoom(connection: ClientConnection): void;

  /** The end of a session is applied. */
  sessionEnded(session: Session): void;

  connectionClosed(connection: ClientConnection): void;

  /** Closes a connection that asks too much of the server, and says so in the log. */
  cutOff(
    connection: ClientConnection,
    reason: string,
    facts?: Readonly<Record<string, unknown>>,
  ): void;
}
