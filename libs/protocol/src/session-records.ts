import { bool, buffer, int, long, record, type Infer } from '@aviary/jute';

/**
 * `zookeeper.jute`, class ConnectRequest, without its last field `readOnly`, which old clients
 * leave out.
 */
export const connectRequest = record('ConnectRequest', {
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
});
export type ConnectRequest = Infer<typeof connectRequest>;

/**
 * `zookeeper.jute`, class ConnectResponse, without its last field `readOnly`, which is sent to
 * those who sent it. `timeOut` 0: the session is gone.
 */
export const connectResponse = record('ConnectResponse', {
  protocolVersion: int,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
});
export type ConnectResponse = Infer<typeof connectResponse>;

/** The field that ends ConnectRequest and ConnectResponse, or is absent. */
export const readOnlyField = record('readOnly', { readOnly: bool });

/** Bytes of a session password. */
export const PASSWORD_BYTES = 16;

/** `zookeeper.jute`, class RequestHeader. */
export const requestHeader = record('RequestHeader', { xid: int, type: int });
export type RequestHeader = Infer<typeof requestHeader>;

/** `zookeeper.jute`, class ReplyHeader. If `err` is not 0 nothing follows, except in a multi. */
export const replyHeader = record('ReplyHeader', { xid: int, zxid: long, err: int });
export type ReplyHeader = Infer<typeof replyHeader>;

/** Bytes of a ReplyHeader on the wire. */
export const REPLY_HEADER_BYTES = 16;
