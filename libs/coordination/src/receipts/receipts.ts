import {
  AbortedError,
  ConnectionLossError,
  CoordinationError,
  DeadlineExceededError,
  NoNodeError,
  NodeExistsError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
  type Transaction,
  type TransactionResult,
  type ZooKeeper,
} from '@aviary/client';
import { childPath, silentLog, type Log, type Random } from '@aviary/foundation';
import { TimeLimit, type TimeLimits } from '../retries/time-limit.js';

/** What {@link Receipts} work with. */
export interface ReceiptTerms {
  /** Where they stand: a directory that is made as a container, and holds nothing else. */
  readonly directory: string;
  /** Who may do what with them. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  readonly random?: Random | undefined;
  readonly log?: Log | undefined;
}

/** One ephemeral node, in which one write at a time leaves its mark. */
interface Slot {
  readonly path: string;
  isMade: boolean;
}

/** More than this many are not kept for later. */
const IDLE_SLOTS_MAX = 16;
/** So often a slot may be missing, or be there already, before somebody must be at work on them. */
const SLOT_TRIES_MAX = 5;

/**
 * Transactions whose outcome is known, also when the connection broke between request and answer.
 *
 * Most writes cannot be told from those of others afterwards: two clients that add one to the same
 * counter write the same bytes, and an item that is gone may have been consumed or never put. So each
 * transaction has one more operation, which writes an id of its own into an ephemeral node of this
 * client: either all of it was applied, the id too, or nothing. After a lost answer the id says which.
 *
 * That holds as long as the session does. If it ends first the ephemeral node is gone, and the
 * outcome stays `unknown`: the error says so.
 */
export class Receipts {
  private readonly zk: ZooKeeper;
  private readonly terms: ReceiptTerms;
  private readonly random: Random;
  private idle: Slot[] = [];
  /** The session that the idle ones belong to. */
  private sessionId: bigint | null = null;
  private isClosed = false;

  constructor(zk: ZooKeeper, terms: ReceiptTerms) {
    this.zk = zk;
    this.terms = terms;
    this.random = terms.random ?? zk.random;
  }

  /**
   * Applies all operations that `build` collects, once or not at all.
   *
   * @param build Makes the transaction; called again for another attempt, after one that is known
   * not to have been applied.
   * @returns The results of the operations; null: it was applied, but the answer with them is lost.
   * @throws {TransactionFailedError} An operation of the transaction failed; nothing was applied.
   * @throws {SessionExpiredError} @throws {DeadlineExceededError} @throws {AbortedError} and others
   * of the client: `outcome` is `unknown` only if nobody could find it out before the session, or
   * the time of the call, was over.
   */
  async commit<R extends readonly TransactionResult[]>(
    build: () => Transaction<R>,
    limits: TimeLimits = {},
  ): Promise<R | null> {
    const limit = new TimeLimit(this.zk.clock, limits);
    for (let slotTries = 1; ;) {
      const { zk } = this;
      const sessionId = zk.sessionId ?? (await zk.connect(limit.rest())).sessionId;
      const slot = this.take(sessionId);
      try {
        const results = await this.attempt(build(), slot, () => ({
          ...limit.rest(),
          inSession: sessionId,
        }));
        this.give(slot, sessionId);
        if (results !== undefined) return results;
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        if (error instanceof SlotError) {
          // The directory is gone, or somebody tidied up: another slot will do.
          this.abandon(slot, sessionId);
          if (!error.isReplaceable || ++slotTries > SLOT_TRIES_MAX) throw error.failure;
          await this.makeDirectory(limit);
          continue;
        }
        if (error.outcome === 'unknown') this.abandon(slot, sessionId);
        else this.give(slot, sessionId);
        if (error.outcome !== 'notApplied' || !isPassing(error)) throw error;
      }
      limit.assertLeft('transaction', this.terms.directory);
    }
  }

  /** Deletes what is kept for later; what is under way is not touched. Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true;
    const { sessionId, idle } = this;
    this.idle = [];
    await Promise.all(idle.map((slot) => this.remove(slot, sessionId)));
  }

  /** The results; null: applied; undefined: known not to have been applied, try again. */
  private async attempt<R extends readonly TransactionResult[]>(
    transaction: Transaction<R>,
    slot: Slot,
    options: () => CallOptions,
  ): Promise<R | null | undefined> {
    const id = Buffer.from(this.random.bytes(16)).toString('hex');
    const whole = slot.isMade
      ? transaction.set(slot.path, id)
      : transaction.create(slot.path, id, { mode: 'ephemeral', acl: this.terms.acl });
    try {
      const results: readonly TransactionResult[] = await whole.commit(options());
      slot.isMade = true;
      return results.slice(0, -1) as unknown as R;
    } catch (error) {
      if (error instanceof TransactionFailedError && error.index === whole.size - 1) {
        throw new SlotError(error);
      }
      const isLost = error instanceof ConnectionLossError && error.outcome === 'unknown';
      if (!isLost) throw error;
      return await this.find(slot, id, error, options);
    }
  }

  /** Looks whether a transaction left its id. @throws `lost`, if that cannot be found out. */
  private async find(
    slot: Slot,
    id: string,
    lost: CoordinationError,
    options: () => CallOptions,
  ): Promise<null | undefined> {
    for (;;) {
      try {
        // What was applied before the answer was lost is seen after the sync.
        await this.zk.sync(slot.path, options());
        const { data } = await this.zk.get(slot.path, options());
        slot.isMade = true;
        return String(data) === id ? null : undefined;
      } catch (error) {
        if (error instanceof NoNodeError) {
          // It was there, and its session lives: somebody tidied up, and with it went what it said.
          if (slot.isMade) throw lost;
          return undefined;
        }
        if (error instanceof ConnectionLossError) continue;
        if (error instanceof SessionExpiredError) throw lost;
        if (!(error instanceof DeadlineExceededError || error instanceof AbortedError)) throw lost;
        const { name, message } = error;
        const facts = { outcome: 'unknown', operation: 'transaction', cause: lost } as const;
        const ErrorClass = error instanceof AbortedError ? AbortedError : DeadlineExceededError;
        throw new ErrorClass(`${message} (${name} while finding out about a lost answer)`, facts);
      }
    }
  }

  private async makeDirectory(limit: TimeLimit): Promise<void> {
    const { directory, acl } = this.terms;
    await this.zk.ensurePath(directory, { mode: 'container', acl, ...limit.rest() });
  }

  private take(sessionId: bigint): Slot {
    if (this.sessionId !== sessionId) {
      // They went with their session.
      this.idle = [];
      this.sessionId = sessionId;
    }
    const slot = this.idle.pop();
    if (slot !== undefined) return slot;
    const name = `receipt-${Buffer.from(this.random.bytes(16)).toString('hex')}`;
    return { path: childPath(this.terms.directory, name), isMade: false };
  }

  private give(slot: Slot, sessionId: bigint): void {
    if (!slot.isMade || this.sessionId !== sessionId) return;
    if (this.isClosed || this.idle.length >= IDLE_SLOTS_MAX) void this.remove(slot, sessionId);
    else this.idle.push(slot);
  }

  /** Nobody knows what it will say. */
  private abandon(slot: Slot, sessionId: bigint): void {
    void this.remove(slot, sessionId);
  }

  private async remove({ path }: Slot, sessionId: bigint | null): Promise<void> {
    if (sessionId === null) return;
    try {
      await this.zk.deleteGuaranteed(path, { inSession: sessionId });
    } catch (error) {
      const { log = silentLog } = this.terms;
      log.warn(`the receipt ${path} cannot be deleted; it goes with its session`, { error });
    }
  }
}

/** The operation on the slot failed, and with it the transaction. */
class SlotError extends CoordinationError {
  readonly failure: CoordinationError;

  constructor(failed: TransactionFailedError) {
    super(failed.message, { outcome: 'notApplied', operation: 'transaction', cause: failed });
    this.failure = failed.cause;
  }

  get isReplaceable(): boolean {
    return this.failure instanceof NoNodeError || this.failure instanceof NodeExistsError;
  }
}

/** Another attempt may succeed. */
function isPassing(error: CoordinationError): boolean {
  return error instanceof ConnectionLossError || error instanceof SessionExpiredError;
}
