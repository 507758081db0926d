import { JuteError, JuteReader, type JuteWriter } from '@aviary/jute';
import { ErrorCode } from '@aviary/protocol';
import {
  AbortedError,
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  ProtocolError,
  ReplyTooLargeError,
  RequestTooLargeError,
  SessionExpiredError,
  TooManyRequestsError,
  type ErrorFacts,
} from '../errors.js';
import { errorForCode } from '../server-errors.js';
import type { Reply } from '../session/session-io.js';
import { SessionRequest, type FailureReason } from '../session/session-request.js';
import type { WatchHandle } from '../watches/watch.js';
import { whenAborted } from './abort-listeners.js';
import type { Operation } from './operation.js';

type ErrorClass = new (message: string, facts: ErrorFacts) => CoordinationError;

const errorClasses: Readonly<Record<FailureReason, ErrorClass>> = {
  connectionLoss: ConnectionLossError,
  sessionExpired: SessionExpiredError,
  deadlineExceeded: DeadlineExceededError,
  aborted: AbortedError,
  authFailed: AuthFailedError,
  closed: ClosedError,
  tooManyRequests: TooManyRequestsError,
  requestTooLarge: RequestTooLargeError,
  replyTooLarge: ReplyTooLargeError,
};

/** What the error of a failed request says beside its class. */
export interface FailureNotes {
  readonly sent: boolean;
  /** What happened, for people. */
  readonly detail: string;
  /** Why there was no connection, if there was none. */
  readonly problem: string | null;
  readonly cause?: unknown;
}

/** The error for a request that ended without an answer. */
export function failureError(
  operation: { readonly name: string; readonly path: string | null; readonly repeatable: boolean },
  reason: FailureReason,
  notes: FailureNotes,
): CoordinationError {
  const { name, path } = operation;
  const where = path === null ? name : `${name} ${path}`;
  const mayHaveApplied = notes.sent && !operation.repeatable;
  let text = `${where}: ${notes.detail}`;
  if (mayHaveApplied) text += '; it was sent and may have been applied';
  else if (!operation.repeatable) text += '; it was not applied';
  if (notes.problem !== null && !notes.detail.includes(notes.problem)) {
    text += ` (no connection: ${notes.problem})`;
  }
  return new errorClasses[reason](text, {
    outcome: mayHaveApplied ? 'unknown' : 'notApplied',
    operation: name,
    path,
    cause: notes.cause,
  });
}

/** Under which conditions a call is made. */
export interface CallTerms {
  readonly nowMs: number;
  /** From now; Infinity: no limit. */
  readonly deadlineMs: number;
  readonly inSession: bigint | null;
  readonly watch: WatchHandle | null;
}

const reader = new JuteReader(new Uint8Array(0));

/** One call of a public method, on its way through the session. */
export class Call<T> extends SessionRequest {
  readonly operation: Operation<T>;
  /** As the caller gave it, from when the call was made. */
  private readonly deadlineMs: number;
  private readonly resolve: (value: T) => void;
  private readonly reject: (error: CoordinationError) => void;
  private signal: AbortSignal | null = null;
  private releaseSignal: (() => void) | null = null;

  constructor(
    operation: Operation<T>,
    terms: CallTerms,
    resolve: (value: T) => void,
    reject: (error: CoordinationError) => void,
  ) {
    const { deadlineMs, nowMs, inSession, watch } = terms;
    super(operation.opCode, operation.repeatable, nowMs + deadlineMs, inSession, watch);
    this.operation = operation;
    this.deadlineMs = deadlineMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  override writeBody(writer: JuteWriter): void {
    this.operation.writeBody(writer);
  }

  /** Calls `onAbort` when `signal` aborts while this call is open. */
  abortWith(signal: AbortSignal, onAbort: () => void): void {
    this.signal = signal;
    this.releaseSignal = whenAborted(signal, onAbort);
  }

  /** The server answered. */
  answered(reply: Reply): void {
    this.letGoOfSignal();
    const { operation } = this;
    const { code } = reply;
    try {
      if (code === ErrorCode.ok) {
        this.resolve(operation.read(reader.reset(reply.bytes, reply.start, reply.end), reply));
        return;
      }
      const value = operation.resultOf?.(code, reply);
      if (value !== undefined) this.resolve(value);
      else this.reject(errorForCode(code, operation.name, operation.path));
    } catch (error) {
      this.reject(this.readError(error));
    }
  }

  /** It ended without an answer. */
  failed(reason: FailureReason, notes: Omit<FailureNotes, 'cause'>): void {
    const cause: unknown = reason === 'aborted' ? this.signal?.reason : undefined;
    this.letGoOfSignal();
    const detail =
      reason === 'deadlineExceeded' ? `no answer within ${this.deadlineMs} ms` : notes.detail;
    this.reject(failureError(this.operation, reason, { ...notes, detail, cause }));
  }

  private readError(error: unknown): CoordinationError {
    if (error instanceof CoordinationError) return error;
    if (!(error instanceof JuteError)) throw error;
    const { name, path } = this.operation;
    const where = path === null ? name : `${name} ${path}`;
    const message = `${where}: the answer of the server cannot be read: ${error.message}`;
    return new ProtocolError(message, {
      // It answered without an error code, so whatever was asked for was done.
      outcome: this.repeatable ? 'notApplied' : 'applied',
      operation: name,
      path,
      cause: error,
    });
  }

  private letGoOfSignal(): void {
    this.releaseSignal?.();
    this.releaseSignal = null;
    this.signal = null;
  }
}
