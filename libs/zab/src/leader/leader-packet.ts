import type { Zxid } from '@aviary/foundation';

/**
 * What a leader says to a learner, as far as Zab is concerned. ZooKeeper's `QuorumPacket`, read:
 * `epoch` is the upper half of a zxid whose lower half is 0. Transactions are the host's.
 */
export type LeaderPacket<Transaction> =
  /** LEADERINFO: the epoch that the leader opens. */
  | { readonly type: 'leaderInfo'; readonly epoch: number }
  /** DIFF: what the learner misses follows, at least up to `zxid`. */
  | { readonly type: 'diff'; readonly zxid: Zxid }
  /** TRUNC: the learner cuts its log behind `zxid`; what it misses follows. */
  | { readonly type: 'trunc'; readonly zxid: Zxid }
  /** SNAP: a snapshot follows, which has at least what was committed up to `zxid`. */
  | { readonly type: 'snap'; readonly zxid: Zxid }
  | { readonly type: 'proposal'; readonly zxid: Zxid; readonly transaction: Transaction }
  /** COMMIT and COMMITANDACTIVATE. */
  | { readonly type: 'commit'; readonly zxid: Zxid }
  /** INFORM and INFORMANDACTIVATE: a committed transaction, for observers. */
  | { readonly type: 'inform'; readonly zxid: Zxid; readonly transaction: Transaction }
  /** NEWLEADER: the history is complete. */
  | { readonly type: 'newLeader'; readonly epoch: number }
  /** UPTODATE: serve clients. */
  | { readonly type: 'upToDate' }
  | { readonly type: 'ping'; readonly zxid: Zxid };
