import type { Zxid } from '@aviary/foundation';
import {
  StorageError,
  type RecoveryTarget,
  type SnapshotBodySink,
  type SnapshotSections,
} from '@aviary/storage';
import {
  DataTree,
  QuotaKeeper,
  TransactionApplier,
  TreeLoader,
  type DataTreeOptions,
} from '@aviary/znodes';

/** The tree and who applies transactions to it. */
export interface RecoveredState {
  readonly tree: DataTree;
  readonly quotas: QuotaKeeper;
  readonly applier: TransactionApplier;
}

/** Fills a tree from a snapshot and the log, and brings its digest up to date. */
export class TreeRecovery implements RecoveryTarget {
  private tree: DataTree;
  private quotas: QuotaKeeper;
  private applier: TransactionApplier;
  /** The digest that the snapshot promises at a zxid, until the replay has come so far. */
  private promised: { zxid: Zxid; high: number; low: number } | null = null;

  constructor(
    private readonly options: DataTreeOptions,
    private readonly extendedTypesEnabled: boolean,
    private readonly directory: string,
  ) {
    this.tree = DataTree.fresh(options);
    this.quotas = new QuotaKeeper(this.tree);
    this.applier = new TransactionApplier(this.tree, this.quotas);
  }

  beginFresh(): void {
    this.use(DataTree.fresh(this.options));
  }

  beginSnapshot(): SnapshotBodySink {
    this.use(new DataTree(this.options));
    return new TreeLoader(this.tree, this.extendedTypesEnabled);
  }

  endSnapshot(zxid: Zxid, sections: SnapshotSections): void {
    this.tree.lastZxid = zxid;
    this.quotas.loadFromTree();
    const { digest } = sections;
    this.promised = digest !== null && digest.zxid > 0 ? digest : null;
    this.adoptPromised();
  }

  apply(bytes: Uint8Array, start: number, end: number): void {
    this.applier.apply(bytes, start, end, 'verify');
    if (this.promised !== null) this.adoptPromised();
  }

  /**
   * The recovered state; the digest is that of the snapshot carried on by the log, or computed anew
   * where the snapshot has none that can be relied on.
   *
   * @throws {StorageError} Nodes name access control lists that nobody brought: who may read them is
   * not known.
   */
  finish(): RecoveredState {
    const { tree, quotas, applier } = this;
    const { unknownReferences } = tree.acls;
    if (unknownReferences > 0) {
      const problem =
        `${unknownReferences} nodes name access control lists that neither the snapshot nor the log ` +
        'behind it has; put back the snapshot and all logs of one backup';
      throw new StorageError(this.directory, null, problem);
    }
    if (!tree.isDigestKnown) tree.recomputeDigest();
    tree.acls.dropUnused();
    return { tree, quotas, applier };
  }

  private use(tree: DataTree): void {
    this.tree = tree;
    this.quotas = new QuotaKeeper(tree);
    this.applier = new TransactionApplier(tree, this.quotas);
    this.promised = null;
  }

  /** At the zxid of the promise the tree is that of one moment, whatever the snapshot was before. */
  private adoptPromised(): void {
    const { promised, tree } = this;
    if (promised === null || tree.lastZxid < promised.zxid) return;
    this.promised = null;
    if (tree.lastZxid > promised.zxid) return;
    tree.digest.set(promised.high, promised.low);
    tree.isDigestKnown = true;
  }
}
