import { setMaxListeners } from 'node:events';
import {
  SessionExpiredError,
  TransactionFailedError,
  type CallOptions,
  type Transaction,
  type ZooKeeper,
} from '@aviary/client';
import type { Claim } from './claim.js';
import { ClaimLostError } from './queue-errors.js';

/** One delivery of an item to a handler. */
export interface Delivery {
  /** The path of the queue. */
  readonly queue: string;
  /**
   * Which item it is, for as long as it exists: with the layout `id` the id that it was put with, which it
   * keeps among the dead letters and after a replay; else the number of the transaction that put it.
   */
  readonly id: string;
  /** Which delivery of the item it is, from 1 up, over all consumers and processes. */
  readonly attempt: number;
  /**
   * Greater for each later claim of the item, so that a store can refuse what an earlier consumer
   * still writes. 0 with `at-most-once`.
   */
  readonly token: bigint;
  /**
   * Aborts when the session may be over, so that the item may be delivered to another consumer, or when the
   * consumer must end. Not when somebody deletes item or claim by hand: {@link transaction} tells.
   */
  readonly signal: AbortSignal;
  /**
   * Collects operations that the server applies only while the item is ours. Results begin with those of
   * two checks. `commit` throws ClaimLostError if it is not.
   *
   * @throws {ClaimLostError} With `at-most-once` nothing is ours.
   */
  transaction(): Transaction<[undefined, undefined]>;
}

/** The delivery of a claimed item. */
export class ClaimedDelivery implements Delivery {
  readonly queue: string;
  readonly id: string;
  readonly attempt: number;
  readonly token: bigint;
  readonly signal: AbortSignal;
  private readonly claim: Claim;

  constructor(queue: string, id: string, claim: Claim, signal: AbortSignal) {
    this.queue = queue;
    this.id = id;
    this.attempt = claim.attempt;
    this.token = claim.token;
    this.signal = signal;
    this.claim = claim;
  }

  transaction(): Transaction<[undefined, undefined]> {
    const { claim } = this;
    const guarded = claim.guarded();
    const commit = guarded.commit.bind(guarded);
    guarded.commit = async (options?: CallOptions) => {
      try {
        return await commit({ ...options, inSession: claim.sessionId });
      } catch (error) {
        if (error instanceof SessionExpiredError && error.outcome === 'notApplied') {
          throw new ClaimLostError(claim.itemPath, 'its session is over', error);
        }
        if (!(error instanceof TransactionFailedError) || error.index > 1) throw error;
        throw new ClaimLostError(claim.itemPath, error.cause.message, error);
      }
    };
    return guarded;
  }
}

/** The delivery of an item that was taken out of the queue before. */
export class TakenDelivery implements Delivery {
  readonly queue: string;
  readonly id: string;
  readonly attempt = 1;
  readonly token = 0n;
  readonly signal: AbortSignal;

  constructor(queue: string, id: string, signal: AbortSignal) {
    this.queue = queue;
    this.id = id;
    this.signal = signal;
  }

  transaction(): never {
    throw new ClaimLostError(this.queue, 'with at-most-once an item is gone when it is delivered');
  }
}

/**
 * A signal that aborts when the session may be over, or `stop` aborts; `release` ends the listening.
 */
export function deliverySignal(
  zk: ZooKeeper,
  sessionId: bigint,
  stop: AbortSignal,
): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  // Whatever the handler calls may listen to it, and Node takes more than ten for a leak.
  setMaxListeners(0, controller.signal);
  const sources = [zk.holdSignal(sessionId), stop];
  const onAbort = (): void => {
    controller.abort((sources.find(({ aborted }) => aborted) ?? stop).reason);
  };
  for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
  if (sources.some(({ aborted }) => aborted)) onAbort();
  return {
    signal: controller.signal,
    release: () => {
      for (const source of sources) source.removeEventListener('abort', onAbort);
    },
  };
}
