import { CoordinationError } from '@aviary/client';

/** The node does not hold what this kind of counter keeps there: somebody else uses the path. */
export class CounterFormatError extends CoordinationError {
  constructor(path: string, problem: string) {
    super(`the counter ${path} cannot be read: ${problem}`, {
      outcome: 'notApplied',
      operation: 'counter',
      path,
    });
  }
}

/** The result would not fit. Nothing was written. */
export class CounterOverflowError extends CoordinationError {
  /** The value of the counter, which stays. */
  readonly value: bigint;

  constructor(path: string, value: bigint, result: bigint, bits: number) {
    super(`the counter ${path} has ${value}, and ${result} does not fit into ${bits} bits`, {
      outcome: 'notApplied',
      operation: 'counter',
      path,
    });
    this.value = value;
  }
}

/** Others were faster, each time. Nothing was written; a later call may succeed. */
export class CounterContendedError extends CoordinationError {
  readonly tries: number;

  constructor(path: string, tries: number) {
    super(`the counter ${path} was changed by others in each of ${tries} tries`, {
      outcome: 'notApplied',
      operation: 'counter',
      path,
    });
    this.tries = tries;
  }
}

/**
 * The version of the node is -1, as it may be after 2^32 - 1 changes of other clients. ZooKeeper
 * takes -1 for "any version", so to compare with it would overwrite what others wrote. Nothing was
 * written.
 */
export class VersionSpentError extends CoordinationError {
  constructor(path: string) {
    super(
      `the counter ${path} is at version -1, with which nothing can be compared: ` +
        'write its bytes once more without a version, while nobody counts',
      { outcome: 'notApplied', operation: 'counter', path },
    );
  }
}

/** The `CounterClient`, or the application that it belongs to, is shutting down. Nothing was done. */
export class CountersClosedError extends CoordinationError {
  constructor(path: string) {
    super(`the counter ${path} is not changed any more: its counter client is shutting down`, {
      outcome: 'notApplied',
      operation: 'counter',
      path,
    });
  }
}
