/** Did the server apply the operation? `unknown` means: look before you retry. */
export type Outcome = 'applied' | 'notApplied' | 'unknown';

/** The facts that every error of this room carries. */
export interface ErrorFacts {
  readonly outcome: Outcome;
  /** The method that was called: `create`, `get`, `transaction`, ... */
  readonly operation?: string | undefined;
  /** The path it was called with, as the caller wrote it. */
  readonly path?: string | null | undefined;
  readonly cause?: unknown;
}

/**
 * Root of every error that this room throws on purpose. Anything else is a bug: let it crash.
 *
 * `outcome` says whether the server applied the operation. After `notApplied` a retry is safe;
 * after `unknown` look first; `applied` means that only the answer is missing or unreadable.
 */
export abstract class CoordinationError extends Error {
  readonly outcome: Outcome;
  /** The method that was called, where the error belongs to one call. */
  readonly operation: string | null;
  /** The path that the method was called with, if it has one. */
  readonly path: string | null;

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.outcome = facts.outcome;
    this.operation = facts.operation ?? null;
    this.path = facts.path ?? null;
  }
}

/**
 * The connection broke. With outcome `unknown` the request had been sent and its answer is lost:
 * read back what it would have written. With `notApplied` it had not been sent: call again.
 *
 * The session may still be alive; {@link SessionExpiredError} says when it is not.
 */
export class ConnectionLossError extends CoordinationError {}

/**
 * The session that the call belonged to is over, or must be presumed so. Its ephemeral nodes are
 * gone or about to go; its locks are no longer held. The client makes a new session by itself, and
 * a new call uses it.
 */
export class SessionExpiredError extends CoordinationError {}

/**
 * No answer in the time that the call allowed. With outcome `notApplied` the request was taken back
 * before it was sent; with `unknown` it was sent, and the server may still apply it.
 */
export class DeadlineExceededError extends CoordinationError {}

/** The caller's signal aborted; its reason is the `cause`. Outcomes as for a passed deadline. */
export class AbortedError extends CoordinationError {}

/**
 * The server refused the credentials and closed the connection. The client stays in the state
 * `authFailed`; close it and make another one with credentials that the server takes.
 */
export class AuthFailedError extends CoordinationError {}

/** The client was closed, by `close()`. */
export class ClosedError extends CoordinationError {}

/** `waitingRequestsMax` requests wait already: the caller is faster than the ensemble. */
export class TooManyRequestsError extends CoordinationError {}

/** The request is longer than `frameBytesMax`; the server would cut the connection. */
export class RequestTooLargeError extends CoordinationError {}

/**
 * The answer is longer than `replyBytesMax`. The connection had to be dropped and was made anew.
 * Ask for less, or raise the limit.
 */
export class ReplyTooLargeError extends CoordinationError {}

/** The server answered with bytes that are not what the protocol says. */
export class ProtocolError extends CoordinationError {}

/** An argument that no server needs to see to be refused. Nothing was sent. */
export class InvalidArgumentError extends CoordinationError {
  constructor(message: string, facts: Omit<ErrorFacts, 'outcome'> = {}) {
    super(message, { outcome: 'notApplied', ...facts });
  }
}

/** A path that ZooKeeper's rules forbid. The message says which rule. */
export class InvalidPathError extends InvalidArgumentError {}

/** A connection string that cannot be read. The message says where. */
export class InvalidConnectionStringError extends InvalidArgumentError {}
