import type { JuteReader, JuteWriter } from '@aviary/jute';
import type { Reply } from '../session/session-io.js';

/** What every call takes. */
export interface CallOptions {
  /**
   * Gives the call up. A request that was not sent is taken back; one that was sent may still be
   * applied (outcome `unknown`).
   */
  readonly signal?: AbortSignal | undefined;

  /**
   * The longest wait for the answer, in milliseconds from now, over all reconnects. Unset: the
   * client's `requestDeadlineMs`. Infinity: no limit.
   */
  readonly deadlineMs?: number | undefined;

  /**
   * Only in this session: once it is over, the call fails with SessionExpiredError and is not
   * applied. Unset: in the session of when the call is made, or in the next one if there is none.
   */
  readonly inSession?: bigint | undefined;
}

/** One kind of request with its arguments: how to write it and what its answer means. */
export interface Operation<T> {
  /** The method that the caller called, for errors. */
  readonly name: string;
  /** The path as the caller wrote it; null if there is none. */
  readonly path: string | null;
  readonly opCode: number;
  /** Changes nothing, so it may be sent again. */
  readonly repeatable: boolean;
  writeBody(writer: JuteWriter): void;
  /** Reads the body of an answer without an error. */
  read(reader: JuteReader, reply: Reply): T;
  /** The result for an error code that is a result; undefined: it is an error. */
  readonly resultOf: ((code: number, reply: Reply) => T | undefined) | null;
}

type WriteBody = Operation<unknown>['writeBody'];

/** An operation that changes nothing. */
export function reading<T>(
  name: string,
  path: string | null,
  opCode: number,
  writeBody: WriteBody,
  read: Operation<T>['read'],
  resultOf: Operation<T>['resultOf'] = null,
): Operation<T> {
  return { name, path, opCode, repeatable: true, writeBody, read, resultOf };
}

/** An operation that must not be sent twice. */
export function writing<T>(
  name: string,
  path: string | null,
  opCode: number,
  writeBody: WriteBody,
  read: Operation<T>['read'],
): Operation<T> {
  return { name, path, opCode, repeatable: false, writeBody, read, resultOf: null };
}

/** A result with the zxid that the server had reached when it gave it. */
export interface Stamped<T> {
  readonly value: T;
  readonly zxid: bigint;
}

function zxidOf(reply: Reply): bigint {
  return (BigInt(reply.zxidHigh) << 32n) | BigInt(reply.zxidLow >>> 0);
}

/** The same operation, with the zxid of the answer. */
export function stamped<T>(operation: Operation<T>): Operation<Stamped<T>> {
  const { name, path, opCode, repeatable, resultOf } = operation;
  return {
    name,
    path,
    opCode,
    repeatable,
    writeBody: (writer) => operation.writeBody(writer),
    read: (reader, reply) => ({ value: operation.read(reader, reply), zxid: zxidOf(reply) }),
    resultOf: (code, reply) => {
      const value = resultOf?.(code, reply);
      return value === undefined ? undefined : { value, zxid: zxidOf(reply) };
    },
  };
}
