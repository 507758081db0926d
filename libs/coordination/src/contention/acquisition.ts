import { childPath, type Log } from '@aviary/foundation';
import { SessionExpiredError } from '@aviary/client';
import { AttemptLimits, type AttemptTerms } from './attempt-limits.js';
import { Lease, type LeaseTerms } from './lease.js';
import { Place, type QueueTerms, type SessionOptions } from './place.js';
import type { Standing } from './standing.js';

/** What one attempt to become the holder knows and needs. */
export interface AcquisitionTerms extends AttemptTerms, Omit<QueueTerms, 'warn'> {
  readonly maxHoldMs: number | undefined;
  readonly log: Log;
  readonly onHeld: (lease: Lease) => void;
  readonly onReleased: (lease: Lease) => void;
}

/** Makes the lease of a kind that can do more than every lease. */
export type LeaseMaker<L extends Lease> = (terms: LeaseTerms) => L;

/**
 * One attempt to become the holder, in Curator's way: a node of our own at the end of the queue, a
 * watch on the nearest one that stands in the way, and a look at the whole list after every wake-up.
 *
 * Every request belongs to one session. When that is over, so is the node, and the attempt starts
 * again in the next one: a node of an earlier session is never taken for a place in the queue, and
 * an answer that comes late finds nobody who would believe it. However the attempt ends, its node
 * is deleted, unless it became a lease.
 */
export class Acquisition<L extends Lease = Lease> {
  private readonly terms: AcquisitionTerms;
  private readonly newLease: LeaseMaker<L>;
  private readonly limits: AttemptLimits;
  private ahead: number | null = null;
  private behind: string | null = null;
  private warned = false;

  /** @param newLease Default: a plain {@link Lease}. */
  constructor(
    terms: AcquisitionTerms,
    newLease: LeaseMaker<L> = (leaseTerms) => new Lease(leaseTerms) as L,
  ) {
    this.terms = terms;
    this.newLease = newLease;
    this.limits = new AttemptLimits(terms);
  }

  /** The directory of the queue. */
  get path(): string {
    return this.terms.path;
  }

  /** Ends the attempt: its promise rejects with the recipe's ShuttingDownError. */
  close(): void {
    this.limits.close();
  }

  /** To be called once. */
  async run(): Promise<L> {
    this.limits.arm();
    try {
      for (;;) {
        const lease = await this.runInSession(await this.session());
        if (lease !== null) return lease;
      }
    } catch (error) {
      const { ahead, behind } = this;
      const { noun, path } = this.terms;
      throw this.limits.errorOf(error, { noun, path, ahead, behind, shortage: null });
    } finally {
      this.limits.disarm();
    }
  }

  private async session(): Promise<bigint> {
    const { zk } = this.terms;
    return zk.sessionId ?? (await zk.connect(this.limits.options)).sessionId;
  }

  /** null: the session or our node ended; start again. */
  private async runInSession(sessionId: bigint): Promise<L | null> {
    const warn = (message: string) => this.warn(message);
    let place: Place | null = null;
    try {
      const options = { ...this.limits.options, inSession: sessionId };
      place = await Place.enter({ ...this.terms, warn }, options);
      const lease = await this.awaitTurn(place, options);
      if (lease !== null) return lease;
    } catch (error) {
      // Deleted in this turn, so that whatever the caller asks next comes after it.
      void place?.leave();
      if (error instanceof SessionExpiredError && !this.limits.isCut) return null;
      throw error;
    }
    void place.leave();
    return null;
  }

  /** Waits until nobody stands in our way. null: our node is gone. */
  private async awaitTurn(place: Place, options: SessionOptions): Promise<L | null> {
    for (;;) {
      const standing = await place.look(options);
      if (standing === null) return null;
      this.ahead = standing.ahead;
      if (standing.predecessor === null) {
        const lease = this.lease(place);
        if (lease !== null) return lease;
      } else if (this.terms.waitMs === 0) {
        await this.awaitOwnRemovals(standing, options);
      } else {
        await place.awaitChange(standing, options, (behind) => (this.behind = behind));
      }
    }
  }

  /** Once for each attempt: it looks at the queue as often as something happens there. */
  private warn(message: string): void {
    if (!this.warned) this.terms.log.warn(message);
    this.warned = true;
  }

  /**
   * The lease, if the session that owns our node is certain to live. null: the answer took too long
   * to prove it (the process was stopped meanwhile); ask again.
   */
  private lease({ node }: Place): L | null {
    const { zk, noun, path, maxHoldMs, removals, onHeld, onReleased } = this.terms;
    if (!zk.isSessionCertain(node.sessionId)) return null;
    const lease: L = this.newLease({
      zk,
      noun,
      path,
      node,
      maxHoldMs,
      remove: () => removals.removeSoon(node),
      onReleased: () => onReleased(lease),
    });
    onHeld(lease);
    return lease;
  }

  /** One attempt does not wait for others, but for what this process itself has let go of. */
  private async awaitOwnRemovals(standing: Standing, options: SessionOptions): Promise<void> {
    const { path, removals, errors } = this.terms;
    const gone = removals.whenGone(standing.names.map((name) => childPath(path, name)));
    if (gone === null) throw new errors.Busy(this.terms, standing.ahead);
    await Promise.race([gone, aborted(options.signal)]);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
