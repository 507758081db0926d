import type { Delay } from '../delay.js';
import type { Unsynced } from './file-image.js';

/** Every kind of operation that a disk is asked for. */
export type DiskOperationKind =
  | 'list'
  | 'makeDirectory'
  | 'open'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'size'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'commit'
  | 'close';

/** One operation that a process asked a disk for. */
export interface DiskOperation {
  /** Counts the operations of the drive from 1, through all its processes. */
  readonly number: number;
  readonly kind: DiskOperationKind;
  /** Normalized; of a rename, the old name. */
  readonly path: string;
}

/** How long operations take, how often they fail, and how much fits. */
export interface DiskModel {
  /** All that is neither a sync nor a transfer of data. */
  readonly metadataDelay: Delay;
  readonly readDelay: Delay;
  readonly writeDelay: Delay;
  /** `sync`, `syncDirectory` and the second half of `commit`. */
  readonly syncDelay: Delay;
  /** How often an operation fails with EIO, by kind; what is not named never fails. */
  readonly errorProbability: Partial<Readonly<Record<DiskOperationKind, number>>>;
  /** Room for the contents of all files; one byte more is ENOSPC. Counted in sectors. */
  readonly capacityBytes: number;
}

/** A sound solid-state disk with room enough. */
export const defaultDiskModel: DiskModel = {
  metadataDelay: { minMs: 0.01, maxMs: 0.1 },
  readDelay: { minMs: 0.02, maxMs: 0.2 },
  writeDelay: { minMs: 0.01, maxMs: 0.1 },
  syncDelay: { minMs: 0.2, maxMs: 2 },
  errorProbability: {},
  capacityBytes: Infinity,
};

/** Where the power goes relative to what an operation does. */
export type CrashMoment =
  /** Nothing of the operation has happened. */
  | 'before'
  /** A write is torn; a commit has written and not synced; a sync has reached some sectors. */
  | 'middle'
  /** All of it has happened, and nobody was told. */
  | 'after';

/** What happens to the operation that a rule has picked. */
export type DiskRuleAction =
  | { readonly kind: 'fail'; readonly code: string }
  | { readonly kind: 'delay'; readonly ms: number }
  | CrashAction;

/** The power goes; `unsynced` (default `drawn`) is what it does to what no sync has covered. */
export interface CrashAction {
  readonly kind: 'crash';
  readonly moment: CrashMoment;
  readonly unsynced?: Unsynced;
}

/** A planned fault. */
export interface DiskRule {
  readonly on: (operation: DiskOperation) => boolean;
  /** Which of the operations that `on` matches, from 1; `all`: each. Default 1. */
  readonly nth?: number | 'all';
  readonly action: DiskRuleAction;
}

/** Whether the operation makes contents durable: `sync` or `commit`. */
export function isFileSync(operation: DiskOperation): boolean {
  return operation.kind === 'sync' || operation.kind === 'commit';
}
