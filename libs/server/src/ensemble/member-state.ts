import type { Zxid } from '@aviary/foundation';
import type { RecoveredState } from '../tree-recovery.js';
import type { History } from './history.js';

/** What a member has in memory, from one role to the next. */
export interface MemberState extends RecoveredState {
  readonly history: History;
  /** The snapshot from which memory was filled; 0: none. */
  readonly snapshotZxid: Zxid;
  /** The last transaction that is logged, or the zxid of the snapshot that was loaded. */
  lastLogged: Zxid;
  /** The last transaction that the tree shows, or the zxid of the snapshot. */
  lastApplied: Zxid;
}
