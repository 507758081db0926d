import { writeInt32 } from '@aviary/foundation';
import { JuteError, JuteReader } from '@aviary/jute';
import { PASSWORD_BYTES } from '@aviary/protocol';
import type { ClientConnection } from './client-connection.js';
import type { ServerContext } from './server-context.js';
import type { Session } from './session-tracker.js';

/** The first frame is a handshake of 45 bytes: nobody gets room for a megabyte without one. */
export const HANDSHAKE_BYTES_MAX = 1024;

const RESPONSE_BYTES = 36;
const NO_PASSWORD = new Uint8Array(PASSWORD_BYTES);

/** What is done about a ConnectRequest. */
export type HandshakeAnswer =
  /** Close without a word: the client will try another server. */
  | 'close'
  /** Say that there is no such session, then close. */
  | 'refuse'
  /** Ask {@link ServerContext.revalidate} for the session, then {@link Handshake.resume}. */
  | 'ask'
  | {
      readonly session: Session;
      /** Whether the session is still to be created, by a transaction with the body `creation`. */
      readonly isNew: boolean;
      readonly creation: Uint8Array;
      /** The answer, as a whole frame. */
      readonly response: Uint8Array;
    };

/** A ConnectRequest. */
export class Handshake {
  private constructor(
    private readonly lastZxidHigh: number,
    private readonly lastZxidLow: number,
    private readonly timeoutMs: number,
    readonly sessionHigh: number,
    readonly sessionLow: number,
    private readonly password: Uint8Array,
    private readonly hasReadOnlyField: boolean,
  ) {}

  /** Reads a ConnectRequest; null if it is none. */
  static read(bytes: Uint8Array, start: number, end: number): Handshake | null {
    const reader = new JuteReader(bytes, start, end);
    try {
      reader.int();
      const lastZxidHigh = reader.int();
      const lastZxidLow = reader.int();
      const timeoutMs = reader.int();
      const sessionHigh = reader.int();
      const sessionLow = reader.int();
      const password = reader.buffer() ?? NO_PASSWORD;
      const hasReadOnlyField = reader.remaining > 0;
      return new Handshake(
        lastZxidHigh,
        lastZxidLow,
        timeoutMs,
        sessionHigh,
        sessionLow,
        password,
        hasReadOnlyField,
      );
    } catch (error) {
      if (error instanceof JuteError) return null;
      throw error;
    }
  }

  /** Decides in the order of the reference, but looks at the password before anything else is done. */
  decide(server: ServerContext, connection: ClientConnection): HandshakeAnswer {
    if (!server.isServing || this.hasSeenMoreThan(server.tree.lastZxid)) return 'close';
    if (this.sessionHigh === 0 && this.sessionLow === 0) {
      if (server.sessions.size >= server.options.limits.sessionsMax) return 'close';
      return this.accept(server, server.makeSession(this.granted(server)), true);
    }
    const { sessionHigh, sessionLow } = this;
    if (!server.passwords.isRight(sessionHigh, sessionLow, this.password)) return 'refuse';
    if (server.asksForSessions) return 'ask';
    return this.resume(server, connection, server.sessions.find(sessionHigh, sessionLow) ?? null);
  }

  /** Decides once it is known whether the session is open; null: it is not. */
  resume(
    server: ServerContext,
    connection: ClientConnection,
    session: Session | null,
  ): HandshakeAnswer {
    if (session === null || session.isClosing) return 'refuse';
    const before = session.connection;
    if (before !== null && before !== connection) before.destroy();
    session.timeoutMs = this.granted(server);
    server.sessions.touch(session, server.clock.monotonicMs());
    return this.accept(server, session, false);
  }

  /** The timeout that the session gets. */
  granted(server: ServerContext): number {
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = server.options;
    return Math.min(Math.max(this.timeoutMs, minSessionTimeoutMs), maxSessionTimeoutMs);
  }

  private accept(server: ServerContext, session: Session, isNew: boolean): HandshakeAnswer {
    const creation = new Uint8Array(4);
    writeInt32(creation, 0, session.timeoutMs);
    const password = server.passwords.passwordOf(session.high, session.low);
    const response = responseFrame(this, session, password);
    return { session, isNew, creation, response };
  }

  private hasSeenMoreThan(lastZxid: number): boolean {
    // As a double: exact where it matters, and far above every zxid of ours where it is not.
    return this.lastZxidHigh * 0x1_0000_0000 + (this.lastZxidLow >>> 0) > lastZxid;
  }

  /** The answer that there is no such session; null stands for a request that was no such record. */
  static refusal(handshake: Handshake | null): Uint8Array {
    return responseFrame(handshake, null, NO_PASSWORD);
  }

  /** Whether the answer has the field `readOnly`: clients get what they sent. */
  get wantsReadOnlyField(): boolean {
    return this.hasReadOnlyField;
  }
}

function responseFrame(
  handshake: Handshake | null,
  session: Session | null,
  password: Uint8Array,
): Uint8Array {
  const length = RESPONSE_BYTES + (handshake?.wantsReadOnlyField === true ? 1 : 0);
  const frame = new Uint8Array(4 + length);
  writeInt32(frame, 0, length);
  if (session !== null) {
    writeInt32(frame, 8, session.timeoutMs);
    writeInt32(frame, 12, session.high);
    writeInt32(frame, 16, session.low);
  }
  writeInt32(frame, 20, PASSWORD_BYTES);
  frame.set(password, 24);
  return frame;
}
