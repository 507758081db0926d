import { JuteWriter, encode, type JuteReader } from '@aviary/jute';
import {
  OpCode,
  createSessionTxn,
  deleteTxn,
  multiRequest,
  setAclRequest,
  type Id,
  type MultiOperation,
  type SetAclRequest,
} from '@aviary/protocol';

/** An operation that may stand in a multi and alone. */
export type Operation = Extract<MultiOperation, { type: 1 | 2 | 5 | 13 | 15 | 19 | 21 }>;

/** Whatever becomes a transaction. */
export type WriteRequest =
  | Operation
  | { readonly type: 7; readonly request: SetAclRequest }
  | { readonly type: 14; readonly operations: readonly Operation[] }
  /** What the reaper asks for. */
  | { readonly type: 20; readonly path: string }
  | { readonly type: -10; readonly timeOut: number }
  | { readonly type: -11 };

/** Who writes, in plain values. */
export interface Client {
  readonly session: bigint;
  readonly ids: readonly Id[];
}

const MULTI_HEADER_BYTES = 9;

/** The record of the operation, as it stands in a request. */
function recordOf(operation: Operation): Uint8Array {
  // A multi of one is a header, the record and the end mark.
  const bytes = encode(multiRequest, [operation]);
  return bytes.subarray(MULTI_HEADER_BYTES, bytes.length - MULTI_HEADER_BYTES);
}

/** The body of the request, as it comes from the wire. */
export function bodyOf(request: WriteRequest): Uint8Array {
  switch (request.type) {
    case OpCode.setACL:
      return encode(setAclRequest, request.request);
    case OpCode.multi:
      return encode(multiRequest, request.operations);
    case OpCode.deleteContainer:
      return encode(deleteTxn, { path: request.path });
    case OpCode.createSession:
      return encode(createSessionTxn, { timeOut: request.timeOut });
    case OpCode.closeSession:
      return new Uint8Array(0);
    default:
      return recordOf(request);
  }
}

/** The halves in which the server keeps a session id. */
export function halvesOf(session: bigint): { sessionHigh: number; sessionLow: number } {
  return {
    sessionHigh: Number(BigInt.asIntN(32, session >> 32n)),
    sessionLow: Number(BigInt.asIntN(32, session)),
  };
}

/** Bytes with others around them, so that whoever reads beyond its part is found out. */
export function embedded(bytes: Uint8Array, reader: JuteReader): JuteReader {
  const writer = new JuteWriter();
  writer.raw(Uint8Array.of(0xee, 0xee, 0xee));
  writer.raw(bytes);
  writer.raw(new Uint8Array(40).fill(0xee));
  return reader.reset(writer.take(), 3, 3 + bytes.length);
}
