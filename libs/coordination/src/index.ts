/** What several recipes stand on; see README.md. */
export { Acquisition } from './contention/acquisition.js';
export type { AcquisitionTerms, LeaseMaker } from './contention/acquisition.js';
export { AttemptLimits } from './contention/attempt-limits.js';
export type { AttemptTerms, Progress } from './contention/attempt-limits.js';
export { contenderOf, recipeOf, sequenceDistance } from './contention/contender-name.js';
export type { Contender, Marker } from './contention/contender-name.js';
export {
  BusyError,
  ForeignContenderError,
  ShuttingDownError,
  UnavailableError,
  WaitTimeoutError,
} from './contention/contention-errors.js';
export type { Contended, ContentionErrors, WaitFacts } from './contention/contention-errors.js';
export { Lease } from './contention/lease.js';
export type { LeaseTerms } from './contention/lease.js';
export { LeaseLostError } from './contention/lease-lost.js';
export type { LossFacts, LossReason } from './contention/lease-lost.js';
export { CONTENDERS_ALARMING, Place } from './contention/place.js';
export type { QueueTerms, SessionOptions } from './contention/place.js';
export { readContenders, readQueue } from './contention/queue-view.js';
export type { ContenderView, NamedContender, QueueView } from './contention/queue-view.js';
export type { OwnNode } from './contention/own-node-watch.js';
export { Removals } from './contention/removals.js';
export type { DyingNode } from './contention/removals.js';
export { exclusive, foreignAmong, inOrder, standingOf } from './contention/standing.js';
export type { Discipline, ForeignName, Standing } from './contention/standing.js';
export { Receipts } from './receipts/receipts.js';
export type { ReceiptTerms } from './receipts/receipts.js';
export { backoffMs } from './retries/backoff.js';
export type { BackoffTerms } from './retries/backoff.js';
export { pause } from './retries/pause.js';
export { TimeLimit, checkSignal } from './retries/time-limit.js';
export type { TimeLimits } from './retries/time-limit.js';
export type { TreeView } from './trees/shared-tree.js';
export { TreeLimitError, TreeUnsupportedError } from './trees/tree-errors.js';
export { TreeSnapshot } from './trees/tree-snapshot.js';
export type { TreeNode, TreeProblem } from './trees/tree-snapshot.js';
export { Trees } from './trees/trees.js';
export type { CachedTree, DirectoryView, TreeOptions } from './trees/trees.js';
export { Presence } from './presence/presence.js';
export type { PresenceTerms } from './presence/presence.js';
export { StandingNode } from './presence/standing-node.js';
export type { StandingNodeTerms } from './presence/standing-node.js';
export { TtlPresence } from './presence/ttl-presence.js';
export type { TtlPresenceTerms } from './presence/ttl-presence.js';
export {
  AlreadyPresentError,
  PresenceLeftError,
  TtlUnsupportedError,
} from './presence/presence-state.js';
export type {
  Joined,
  Joining,
  PresenceConflict,
  PresenceLeft,
  PresenceLost,
  PresenceState,
  PresenceSuspended,
} from './presence/presence-state.js';
