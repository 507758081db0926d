/** Items shared out among members; see README.md. */
export { ITEMS_MAX } from './core/group-record.js';
export { PartitionMovedError, PartitionsClosedError } from './core/partition-errors.js';
export { Partition } from './core/partition.js';
export { Partitions } from './core/partitions.js';
export type { JoinOptions, PartitionsOptions } from './core/partitions.js';
export { shareOut } from './core/rendezvous.js';
export { Share } from './core/share.js';
export type { Assignments, OwnItem } from './core/share.js';
