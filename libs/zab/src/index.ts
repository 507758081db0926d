export { Broadcast } from './broadcast/broadcast.js';
export { LeadershipConfirmation } from './broadcast/leadership-confirmation.js';
export { PendingSyncs } from './broadcast/pending-syncs.js';
export { Election } from './election/election.js';
export type { ElectionInput, ElectionOptions, ElectionOutput } from './election/election-io.js';
export type { ElectionConfig, VersionedQuorum } from './election/electorate.js';
export type { LinkFailure } from './election/links.js';
export type { AbandonReason } from './election/mandate.js';
export { NOTIFICATION_VERSION, ZXID_UNKNOWN } from './election/notification.js';
export type { Notification, ServerState, Vote } from './election/notification.js';
export { ActiveEpoch } from './leader/active-epoch.js';
export { Leader, type LeaderPhase } from './leader/leader.js';
export type { ConnectionId, LeaderInput, LeaderOptions, LeaderOutput } from './leader/leader-io.js';
export type { LeaderPacket } from './leader/leader-packet.js';
export type { LearnerRole } from './leader/learner-peer.js';
export { FollowerTracker } from './learner/follower-tracker.js';
export { Learner } from './learner/learner.js';
export type {
  HistoryEntry,
  LearnerInput,
  LearnerOptions,
  LearnerOutput,
} from './learner/learner-io.js';
export { NO_EPOCH, type LearnerInfo, type LearnerPacket } from './learner/learner-packet.js';
export type { LearnerPhase } from './learner/learner-phase.js';
export { Hierarchy, type WeightedGroup } from './quorum/hierarchy.js';
export { Majority } from './quorum/majority.js';
export type { QuorumVerifier, ServerId } from './quorum/quorum-verifier.js';
export {
  CommittedLog,
  type CommittedLogLimits,
  type CommittedWindow,
} from './synchronisation/committed-log.js';
export {
  planSync,
  type LogSection,
  type SyncPlan,
  type SyncSources,
} from './synchronisation/sync-plan.js';
