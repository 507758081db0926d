/** The ZooKeeper client; see README.md. */
export { CREATOR_ALL_ACL, OPEN_ACL, Permission, READ_ACL } from '@aviary/protocol';
export type { Acl, Id, Stat } from '@aviary/protocol';
export { digestId } from './acl.js';
export { parseConnectionString } from './connection-string.js';
export type { ConnectionTarget, ServerName } from './connection-string.js';
export {
  AbortedError,
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  InvalidArgumentError,
  InvalidConnectionStringError,
  InvalidPathError,
  ProtocolError,
  ReplyTooLargeError,
  RequestTooLargeError,
  SessionExpiredError,
  TooManyRequestsError,
} from './errors.js';
export type { ErrorFacts, Outcome } from './errors.js';
export type {
  CreateSettings,
  NodeInput,
  NodeMode,
  VersionCondition,
} from './operations/arguments.js';
export type { EnsureSettings } from './operations/ensure-path.js';
export type { ReadRequest, ReadResult, ReadResults } from './operations/multi.js';
export type {
  CreatedNode,
  Identity,
  NodeAcl,
  NodeChildren,
  NodeData,
} from './operations/node-operations.js';
export type { CallOptions } from './operations/operation.js';
export type { ProtectedNode } from './operations/protected-create.js';
export type {
  CreatedInTransaction,
  Transaction,
  TransactionResult,
} from './operations/transaction.js';
export type { AuthIdentity, ZooKeeperOptions } from './options.js';
export {
  BadArgumentsError,
  BadVersionError,
  EphemeralOnLocalSessionError,
  InvalidAclError,
  MarshallingError,
  NoAuthError,
  NoChildrenForEphemeralsError,
  NoNodeError,
  NoWatcherError,
  NodeExistsError,
  NotEmptyError,
  NotReadOnlyError,
  QuotaExceededError,
  ServerError,
  ThrottledError,
  TransactionFailedError,
  UnimplementedError,
} from './server-errors.js';
export type { TreeResetReason } from './session/session-io.js';
export type {
  AuthFailed,
  Closed,
  Connected,
  Connecting,
  Lost,
  Reconnected,
  SessionState,
  Suspended,
} from './session-state.js';
export type { NodeEvent, WatchEvent } from './watch-event.js';
export type { ChildrenView, NodeView } from './watches/node-streams.js';
export type { TreeEvent, TreeReset } from './watches/tree-hub.js';
export type { Watch } from './watches/watch.js';
export { ZooKeeper } from './zookeeper.js';
export type { WaitOptions } from './zookeeper.js';
