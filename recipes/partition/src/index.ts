/** Items shared out among members; see README.md. */
export { ITEMS_MAX } from './core/group-record.js';
export type { ShareOut } from './core/group-record.js';
export { PartitionMovedError, PartitionsClosedError } from './core/partition-errors.js';
export { Partition } from './core/partition.js';
export { Partitions } from './core/partitions.js';
export type { JoinOptions, PartitionsOptions } from './core/partitions.js';
export { shareOut } from './core/rendezvous.js';
export { Share } from './core/share.js';
export type { Assignments, OwnItem } from './core/share.js';
export { Partitioned } from './nest/partitioned.decorator.js';
export type { PartitionedOptions } from './nest/partitioned.decorator.js';
export type {
  PartitionModuleOptions,
  PartitionOptionsFactory,
} from './nest/partition-module-options.js';
export { PartitionSetupError } from './nest/partition-setup-error.js';
export { PartitionModule } from './nest/partition.module.js';
export { getPartitionsToken, InjectPartitions } from './nest/partition.tokens.js';
