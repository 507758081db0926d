import { JuteError, JuteReader, type JuteWriter } from '@aviary/jute';
import {
  PASSWORD_BYTES,
  connectRequest,
  connectResponse,
  readOnlyField,
  type ConnectRequest,
} from '@aviary/protocol';

/** The password of a session that is yet to be made. */
export const NO_PASSWORD: Uint8Array = new Uint8Array(PASSWORD_BYTES);

/** The server's answer to a handshake. */
export interface Handshake {
  /** The granted timeout; 0 or less: the session that was asked for is gone. */
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
  readonly readOnly: boolean;
}

/** Appends the body of the first frame of a connection. */
export function writeHandshake(
  writer: JuteWriter,
  request: Omit<ConnectRequest, 'protocolVersion'>,
  readOnly: boolean,
): void {
  connectRequest.write(writer, { protocolVersion: 0, ...request });
  readOnlyField.write(writer, { readOnly });
}

/** Reads the server's first frame; null if it is no answer to a handshake. */
export function readHandshake(bytes: Uint8Array, start: number, end: number): Handshake | null {
  const reader = new JuteReader(bytes, start, end);
  try {
    const { timeOut, sessionId, passwd } = connectResponse.read(reader);
    // Servers before 3.4 leave the field out, as do those that were not sent it.
    const readOnly = reader.remaining > 0 && readOnlyField.read(reader).readOnly;
    return { timeoutMs: timeOut, sessionId, password: passwd ?? NO_PASSWORD, readOnly };
  } catch (error) {
    if (error instanceof JuteError) return null;
    throw error;
  }
}
