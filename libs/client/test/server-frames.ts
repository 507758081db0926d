import { JuteReader, JuteWriter } from '@aviary/jute';
import {
  PASSWORD_BYTES,
  Xid,
  connectRequest,
  connectResponse,
  readOnlyField,
  replyHeader,
  watcherEvent,
  type ConnectRequest,
} from '@aviary/protocol';

/** One frame with its length. */
export function frame(body: (writer: JuteWriter) => void): Uint8Array {
  const writer = new JuteWriter();
  const lengthAt = writer.reserve(4);
  body(writer);
  writer.intAt(lengthAt, writer.position - 4);
  return writer.take();
}

export interface HandshakeAnswer {
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly readOnly?: boolean;
  readonly password?: Uint8Array;
}

export function handshakeFrame(answer: HandshakeAnswer): Uint8Array {
  return frame((writer) => {
    connectResponse.write(writer, {
      protocolVersion: 0,
      timeOut: answer.timeoutMs,
      sessionId: answer.sessionId,
      passwd: answer.password ?? new Uint8Array(PASSWORD_BYTES),
    });
    readOnlyField.write(writer, { readOnly: answer.readOnly ?? false });
  });
}

export function replyFrame(
  header: { readonly xid: number; readonly zxid: bigint; readonly err: number },
  body: (writer: JuteWriter) => void = () => undefined,
): Uint8Array {
  return frame((writer) => {
    replyHeader.write(writer, header);
    body(writer);
  });
}

export function eventFrame(type: number, path: string, zxid: bigint): Uint8Array {
  return replyFrame({ xid: Xid.notification, zxid, err: 0 }, (writer) =>
    watcherEvent.write(writer, { type, state: 3, path }),
  );
}

/** Cuts what a client sent into the bodies of its frames. */
export function framesIn(bytes: Uint8Array): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  const reader = new JuteReader(bytes);
  while (reader.remaining > 0) {
    const length = reader.int();
    const start = reader.skip(length);
    bodies.push(bytes.slice(start, start + length));
  }
  return bodies;
}

export function readConnectRequest(
  body: Uint8Array,
): ConnectRequest & { readonly readOnly: boolean } {
  const reader = new JuteReader(body);
  const request = connectRequest.read(reader);
  return { ...request, readOnly: reader.remaining > 0 && readOnlyField.read(reader).readOnly };
}
