import type {
  Acl,
  CallOptions,
  Stat,
  Transaction,
  TransactionResult,
  ZooKeeper,
} from '@aviary/client';
import type { ConfigVersion } from './config-errors.js';

/** How a publication takes the place of what it has seen. */
export interface Draft {
  /** What was seen; null: nothing. */
  readonly current: ConfigVersion | null;
  /** How often the node at the path was written to; null: there is no such node. */
  readonly counter: number | null;
  /**
   * Adds the changes, under the condition that all is as it was seen. The first makes the node at the
   * path, if there is none; the last is a write to it.
   */
  addTo(transaction: Transaction<TransactionResult[]>): void;
}

/** What is published, and where it goes. */
export interface Content {
  /** A tree of nodes, whose versions have no numbers. */
  readonly isTree: boolean;
  /** What the history keeps. */
  readonly record: Buffer;
  /** What to do if it does not fit into one transaction. */
  readonly advice: string;
  /** Looks at what is there. @throws what the client's reads throw. */
  draft(options: () => CallOptions): Promise<Draft>;
}

/** Where a {@link Content} goes. */
export interface Site {
  readonly zk: ZooKeeper;
  readonly path: string;
  /** Of the nodes that are made. */
  readonly acl: readonly Acl[] | undefined;
}

/** The data of one node. */
export class NodeContent implements Content {
  readonly isTree = false;
  readonly advice =
    'the data are written twice, for the history, too: publish less, or raise frameBytesMax of the ' +
    'client and jute.maxbuffer of the servers';
  readonly record: Buffer;
  private readonly site: Site;

  constructor(site: Site, data: Buffer) {
    this.site = site;
    this.record = data;
  }

  async draft(options: () => CallOptions): Promise<Draft> {
    const { zk, path } = this.site;
    return this.over(await zk.exists(path, options()));
  }

  /** The node is made empty and then written to, since only of a write servers tell the zxid. */
  private over(stat: Stat | null): Draft {
    const { path, acl } = this.site;
    return {
      current: stat && { number: stat.version, zxid: stat.mzxid },
      counter: stat?.version ?? null,
      addTo: (transaction) => {
        if (stat === null) transaction.create(path, undefined, { acl });
        transaction.set(path, this.record, { version: stat?.version ?? 0 });
      },
    };
  }
}
