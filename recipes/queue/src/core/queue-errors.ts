import { CoordinationError } from '@aviary/client';

/** A node in a queue does not hold what this kind of queue keeps there. */
export class ItemFormatError extends CoordinationError {
  constructor(path: string | null, problem: string) {
    const where = path === null ? 'an item' : `the item ${path}`;
    super(`${where} cannot be read: ${problem}`, { outcome: 'notApplied', path });
  }
}

/** The codec of the queue can make no bytes of a message, as its `cause` says. Nothing was put. */
export class MessageEncodingError extends CoordinationError {
  constructor(path: string, cause: unknown) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    super(`put ${path}: the message cannot be written: ${problem}`, {
      outcome: 'notApplied',
      operation: 'put',
      path,
      cause,
    });
  }
}

/** The queue has had `maxItems` or more for all of the time. Nothing was put. */
export class QueueFullError extends CoordinationError {
  readonly maxItems: number;

  constructor(path: string, maxItems: number, waitMs: number) {
    super(`the queue ${path} has had its ${maxItems} items or more for ${waitMs} ms`, {
      outcome: 'notApplied',
      operation: 'put',
      path,
    });
    this.maxItems = maxItems;
  }
}

/** The `QueueClient`, or the application that it belongs to, is shutting down. Nothing was done. */
export class QueuesClosedError extends CoordinationError {
  constructor(path: string) {
    super(`the queue ${path} is not used any more: its queue client is shutting down`, {
      outcome: 'notApplied',
      operation: 'queue',
      path,
    });
  }
}

/**
 * A handler throws it (or something that has it as its `cause`) for an item that no further attempt will help:
 * it goes to the dead letters at once.
 */
export class RejectItemError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * The claim of a delivery is over: its session ended, the consumer was stopped, or somebody deleted it.
 * The item is delivered again, maybe it is already.
 */
export class ClaimLostError extends CoordinationError {
  constructor(path: string, why: string, cause?: unknown) {
    super(`the claim on ${path} is lost: ${why}`, {
      outcome: 'notApplied',
      operation: 'delivery',
      path,
      cause,
    });
  }
}
