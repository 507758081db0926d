import { JuteError, type JuteReader } from '@aviary/jute';
import { ErrorCode, OpCode, opCodeName } from '@aviary/protocol';
import type { ClientConnection } from './client-connection.js';
import type { ConnectionOutput } from './connection-output.js';
import { UNKNOWN_ZXID, beginReply, endReply, writeBareReply } from './reply.js';
import type { ServerContext } from './server-context.js';

const LOG_INTERVAL_MS = 60_000;
const PATH_SHOWN_MAX = 200;

/** Makes the replies to reads, one for all connections. */
export class ReadAnswers {
  /** Replies longer than clients take unless they are told to. */
  largeReplies = 0;
  private largeToldMs = -Infinity;

  constructor(private readonly server: ServerContext) {}

  /** Appends the reply to a read whose body is in `body`. */
  append(
    type: number,
    xid: number,
    body: JuteReader,
    reader: ClientConnection,
    output: ConnectionOutput,
  ): void {
    const { server } = this;
    const zxid = server.tree.lastZxid;
    if (type === OpCode.setWatches || type === OpCode.setWatches2) {
      // What was missed is told before the answer.
      const error = this.restoreWatches(type, body, reader);
      if (reader.isGone) return;
      writeBareReply(output.writer(), xid, zxid, error);
      return;
    }
    const out = output.writer();
    const at = beginReply(out);
    const bodyAt = body.position;
    let error: number;
    try {
      error = server.reads.run(type, body, reader, out);
    } catch (cause) {
      error = this.errorOf(cause, type, reader);
    }
    endReply(out, at, xid, zxid, error);
    if (out.position - at > server.options.limits.frameBytesMax) {
      this.noteLarge(type, body, bodyAt, out.position - at);
    }
  }

  /** Appends the refusal of what no client may ask for; whoever did is cut off then. */
  refuse(type: number, xid: number, client: string, output: ConnectionOutput): void {
    this.server.log.warn('A client sent an operation that clients may not send; it is cut off.', {
      client,
      operation: opCodeName(type),
    });
    writeBareReply(output.writer(), xid, UNKNOWN_ZXID, ErrorCode.unimplemented);
  }

  private restoreWatches(type: number, body: JuteReader, reader: ClientConnection): number {
    try {
      if (this.server.watchRestorer.run(type, body, reader)) return ErrorCode.ok;
      // A watch that is silently missing is worse than a connection that is.
      if (!reader.isGone) this.server.cutOff(reader, 'A client watches too much; it is cut off.');
      return ErrorCode.quotaExceeded;
    } catch (cause) {
      return this.errorOf(cause, type, reader);
    }
  }

  /** A read changes nothing that others see, so that even a bug of ours ends no more than this. */
  private errorOf(cause: unknown, type: number, reader: ClientConnection): number {
    if (cause instanceof JuteError) return ErrorCode.marshallingError;
    this.server.cutOff(reader, `A ${opCodeName(type)} cannot be answered: ${String(cause)}.`);
    return ErrorCode.systemError;
  }

  /** Most clients drop the connection over such a reply, again and again: who runs them must know. */
  private noteLarge(type: number, body: JuteReader, bodyAt: number, replyBytes: number): void {
    this.largeReplies++;
    const nowMs = this.server.clock.monotonicMs();
    if (nowMs - this.largeToldMs < LOG_INTERVAL_MS) return;
    this.largeToldMs = nowMs;
    body.position = bodyAt;
    const path = type === OpCode.multiRead ? null : body.ustring();
    this.server.log.warn('A reply is longer than jute.maxbuffer: many clients cannot read it.', {
      operation: opCodeName(type),
      path: path?.slice(0, PATH_SHOWN_MAX) ?? null,
      replyBytes,
    });
  }
}
