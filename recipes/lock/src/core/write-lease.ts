import { childPath, nodeName, parentPath } from '@aviary/foundation';
import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
} from '@aviary/client';
import {
  Lease,
  type LeaseTerms,
  type LossReason,
  type OwnNode,
  type Removals,
} from '@aviary/coordination';
import type { LayoutRules } from './lock-layout.js';

/** What a write lease needs to become a read lease. */
export interface DowngradeTerms {
  readonly rules: Pick<LayoutRules, 'read' | 'write'>;
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  readonly removals: Removals;
  readonly onHeld: (lease: Lease) => void;
  readonly onReleased: (lease: Lease) => void;
}

/** The lease of a writer. Nobody else holds the lock, neither to read nor to write. */
export class WriteLease extends Lease {
  private readonly downgradeTerms: DowngradeTerms;
  /** Set from the moment when the lock is to be kept for reading. */
  private downgrading = false;
  private reading: Lease | null = null;
  /** What it was lost by while its downgrade was under way. */
  private lostMeanwhile: LossReason | null = null;
  private failure: unknown = null;

  /** @internal Use `LockClient.acquireWrite`. */
  constructor(terms: LeaseTerms, downgradeTerms: DowngradeTerms) {
    super(terms);
    this.downgradeTerms = downgradeTerms;
  }

  /**
   * Keeps the lock for reading, and lets other readers in. No writer comes between: the server takes
   * our place as a writer away and gives us one as a reader, with the same number, at the same moment.
   *
   * This lease is released by it, whatever the outcome; the new one has the same {@link token}, since
   * writers that have waited meanwhile have greater ones than a new node's would have to be.
   *
   * @throws {LeaseLostError} The lease was lost before. Nothing is held.
   */
  async downgrade(): Promise<Lease> {
    this.assertHeld();
    this.downgrading = true;
    await this.release();
    if (this.reading === null) throw this.lossBy(this.failure);
    return this.reading;
  }

  /** @internal */
  override lose(reason: LossReason): void {
    // That our node goes is what a downgrade is about, and that somebody wrote to it, it hears itself.
    const isOfNode = reason === 'nodeDeleted' || reason === 'revoked';
    if (this.downgrading && !isOfNode) this.lostMeanwhile ??= reason;
    super.lose(reason);
  }

  /** The reader that has the number of this writer. */
  private get readNode(): OwnNode {
    const { read, write } = this.downgradeTerms.rules;
    const name = nodeName(this.nodePath);
    const at = name.lastIndexOf(write);
    const readName = name.slice(0, at) + read + name.slice(at + write.length);
    const path = childPath(parentPath(this.nodePath) ?? '/', readName);
    return { path, sessionId: this.sessionId };
  }

  /** At a downgrade the writer's node goes with the coming of the reader's. */
  protected override async giveUp(): Promise<void> {
    if (!this.downgrading) return super.giveUp();
    try {
      await this.exchange();
    } catch (error) {
      this.failure = error;
      // Whatever of the two is there: neither has anybody behind it.
      void this.downgradeTerms.removals.remove(this.readNode);
      return super.giveUp();
    }
    const { zk } = this.terms;
    const loss = this.lostMeanwhile ?? (zk.isSessionCertain(this.sessionId) ? null : 'uncertain');
    if (loss === null) {
      // One of the two leases is out at any moment, so whoever ends them all finds one.
      this.reading = this.readLease();
      return;
    }
    this.failure = this.lostError(loss);
    return this.downgradeTerms.removals.removeSoon(this.readNode);
  }

  private readLease(): Lease {
    const { zk } = this.terms;
    const { removals, onHeld, onReleased } = this.downgradeTerms;
    const node = this.readNode;
    const reading: Lease = new Lease({
      zk,
      noun: 'lock',
      path: this.path,
      node: { ...node, stat: { czxid: this.token } },
      maxHoldMs: this.heldUntilMs - zk.clock.monotonicMs(),
      remove: () => removals.removeSoon(node),
      onReleased: () => onReleased(reading),
    });
    onHeld(reading);
    return reading;
  }

  /** One transaction; if its answer is lost, the reader's node tells whether it was applied. */
  private async exchange(): Promise<void> {
    const { zk } = this.terms;
    const { identity, acl } = this.downgradeTerms;
    const { path, sessionId } = this.readNode;
    const options: CallOptions = { inSession: sessionId, deadlineMs: Infinity };
    for (;;) {
      try {
        await zk
          .transaction()
          .delete(this.nodePath, { version: 0 })
          .create(path, identity, { mode: 'ephemeral', acl })
          .commit(options);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLossError)) throw error;
      }
      if (await this.isThere(path, options)) return;
    }
  }

  /** Looks over as many connections as it takes. */
  private async isThere(path: string, options: CallOptions): Promise<boolean> {
    const { zk } = this.terms;
    for (;;) {
      try {
        await zk.sync(path, options);
        const stat = await zk.exists(path, options);
        return stat !== null && stat.ephemeralOwner === options.inSession;
      } catch (error) {
        if (!(error instanceof ConnectionLossError)) throw error;
      }
    }
  }

  private lossBy(failure: unknown): unknown {
    if (failure instanceof SessionExpiredError) return this.lostError('sessionLost');
    if (!(failure instanceof TransactionFailedError) || failure.index !== 0) return failure;
    const { cause } = failure;
    if (cause instanceof NoNodeError) return this.lostError('nodeDeleted', undefined, failure);
    if (cause instanceof BadVersionError) return this.lostError('revoked', undefined, failure);
    return failure;
  }
}
