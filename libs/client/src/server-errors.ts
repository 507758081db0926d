import { ErrorCode, errorCodeName } from '@aviary/protocol';
import {
  AuthFailedError,
  CoordinationError,
  SessionExpiredError,
  type ErrorFacts,
  type Outcome,
} from './errors.js';

/**
 * The server answered with an error code: it did not apply the operation, unless `outcome` says
 * otherwise (codes that this client does not know leave it `unknown`).
 *
 * One subclass for each case that callers treat differently; the others come as this class.
 */
export class ServerError extends CoordinationError {
  /** The code on the wire, negative. KeeperException.Code. */
  readonly code: number;

  constructor(message: string, code: number, facts: ErrorFacts) {
    super(message, facts);
    this.code = code;
  }
}

/** The node, or for a create its parent, does not exist. NONODE. */
export class NoNodeError extends ServerError {}

/** The node to create exists already. NODEEXISTS. */
export class NodeExistsError extends ServerError {}

/** The node's version is not the expected one: somebody else changed it. BADVERSION. */
export class BadVersionError extends ServerError {}

/** The node to delete has children. NOTEMPTY. */
export class NotEmptyError extends ServerError {}

/** The node's ACL does not allow it to the identities of this connection. NOAUTH. */
export class NoAuthError extends ServerError {}

/**
 * The ACL is empty or names an identity that the server does not take; `auth` needs an
 * authenticated connection. INVALIDACL.
 */
export class InvalidAclError extends ServerError {}

/** The parent is ephemeral, and ephemeral nodes have no children. NOCHILDRENFOREPHEMERALS. */
export class NoChildrenForEphemeralsError extends ServerError {}

/** The node is under a hard quota that would be passed. QUOTAEXCEEDED. */
export class QuotaExceededError extends ServerError {}

/** The server let the request wait too long and dropped it. THROTTLEDOP. */
export class ThrottledError extends ServerError {}

/** The server cannot do this: too old, or the feature is switched off. UNIMPLEMENTED. */
export class UnimplementedError extends ServerError {}

/** The server refused an argument. BADARGUMENTS. */
export class BadArgumentsError extends ServerError {}

/** The server could not read the request. MARSHALLINGERROR. */
export class MarshallingError extends ServerError {}

/** A write or sync reached a server that is in read-only mode. NOTREADONLY. */
export class NotReadOnlyError extends ServerError {}

/** An ephemeral node cannot belong to a local session. EPHEMERALONLOCALSESSION. */
export class EphemeralOnLocalSessionError extends ServerError {}

/** A watch to remove is not there. NOWATCHER. */
export class NoWatcherError extends ServerError {}

type ServerErrorClass = new (message: string, code: number, facts: ErrorFacts) => ServerError;

const known = new Map<number, readonly [ServerErrorClass, string]>([
  [ErrorCode.noNode, [NoNodeError, 'the node does not exist']],
  [ErrorCode.nodeExists, [NodeExistsError, 'the node exists already']],
  [ErrorCode.badVersion, [BadVersionError, 'the version is not the expected one']],
  [ErrorCode.notEmpty, [NotEmptyError, 'the node has children']],
  [ErrorCode.noAuth, [NoAuthError, "the node's ACL does not allow it"]],
  [ErrorCode.invalidAcl, [InvalidAclError, 'the server does not take this ACL']],
  [
    ErrorCode.noChildrenForEphemerals,
    [NoChildrenForEphemeralsError, 'the parent is ephemeral and can have no children'],
  ],
  [ErrorCode.quotaExceeded, [QuotaExceededError, 'the quota would be exceeded']],
  [ErrorCode.throttledOp, [ThrottledError, 'the server is overloaded and dropped the request']],
  [ErrorCode.unimplemented, [UnimplementedError, 'the server does not support it']],
  [ErrorCode.badArguments, [BadArgumentsError, 'the server refused an argument']],
  [ErrorCode.marshallingError, [MarshallingError, 'the server could not read the request']],
  [ErrorCode.notReadOnly, [NotReadOnlyError, 'the server is in read-only mode']],
  [
    ErrorCode.ephemeralOnLocalSession,
    [EphemeralOnLocalSessionError, 'a local session can have no ephemeral nodes'],
  ],
  [ErrorCode.noWatcher, [NoWatcherError, 'there is no such watch']],
]);

/** Codes without a class of their own after which the operation was certainly not applied. */
const refusals = new Set<number>([
  ErrorCode.runtimeInconsistency,
  ErrorCode.newConfigNoQuorum,
  ErrorCode.reconfigInProgress,
  ErrorCode.reconfigDisabled,
  ErrorCode.sessionMoved,
]);

/** The error for `code` as the answer to `operation`. */
export function errorForCode(
  code: number,
  operation: string,
  path: string | null,
): CoordinationError {
  const where = path === null ? operation : `${operation} ${path}`;
  const tail = `(${errorCodeName(code)}, ${code})`;
  const facts = (outcome: Outcome): ErrorFacts => ({ outcome, operation, path });
  const entry = known.get(code);
  if (entry !== undefined) {
    const [ErrorClass, text] = entry;
    return new ErrorClass(`${where}: ${text} ${tail}`, code, facts('notApplied'));
  }
  if (code === ErrorCode.sessionExpired || code === ErrorCode.unknownSession) {
    const message = `${where}: the session has expired ${tail}`;
    return new SessionExpiredError(message, facts('notApplied'));
  }
  if (code === ErrorCode.authFailed || code === ErrorCode.sessionClosedRequireSaslAuth) {
    const message = `${where}: the server requires other credentials ${tail}`;
    return new AuthFailedError(message, facts('notApplied'));
  }
  const outcome = refusals.has(code) ? 'notApplied' : 'unknown';
  return new ServerError(`${where}: the server answered an error ${tail}`, code, facts(outcome));
}

/**
 * A transaction was refused as a whole: nothing of it was applied.
 *
 * `index` is the operation that failed, counted from 0, and `cause` its error.
 */
export class TransactionFailedError extends CoordinationError {
  readonly index: number;
  override readonly cause: CoordinationError;

  constructor(index: number, count: number, cause: CoordinationError) {
    super(`operation ${index + 1} of ${count} of the transaction failed: ${cause.message}`, {
      outcome: 'notApplied',
      operation: cause.operation ?? undefined,
      path: cause.path,
      cause,
    });
    this.index = index;
    this.cause = cause;
  }
}
