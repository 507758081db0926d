export { Broadcast } from './broadcast/broadcast.js';
export { LeadershipConfirmation } from './broadcast/leadership-confirmation.js';
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
