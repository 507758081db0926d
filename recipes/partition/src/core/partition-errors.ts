import { CoordinationError } from '@aviary/client';

/**
 * The reason of a partition's signal: its item goes to another member, or this one leaves the
 * group. It is still ours until the work on it has ended, or its grace is over: end what was begun,
 * and begin nothing.
 */
export class PartitionMovedError extends CoordinationError {
  /** `moved`: by a new agreement of the group. `closed`: we leave. */
  readonly reason: 'moved' | 'closed';

  constructor(path: string, reason: 'moved' | 'closed') {
    const why = reason === 'moved' ? 'goes to another member' : 'is given up: we leave the group';
    super(`the item ${path} ${why}`, { outcome: 'notApplied', operation: 'partition', path });
    this.reason = reason;
  }
}

/**
 * The `Partitions`, or the application that they belong to, are shutting down. Nothing was done.
 */
export class PartitionsClosedError extends CoordinationError {
  constructor(path: string) {
    super(`the group ${path} is not joined any more: these partitions are shutting down`, {
      outcome: 'notApplied',
      operation: 'join',
      path,
    });
  }
}
