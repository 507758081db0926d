import { CoordinationError } from '@aviary/client';

/**
 * A tree is larger than who asked for it wants to keep in memory. Nothing of it is kept any more;
 * subscribe again to load it anew.
 */
export class TreeLimitError extends CoordinationError {
  /** What there is too much of. */
  readonly limit: 'nodes' | 'bytes' | 'depth';

  constructor(path: string, limit: 'nodes' | 'bytes' | 'depth', problem: string) {
    super(`the tree ${path} is not kept in memory: ${problem}`, {
      outcome: 'notApplied',
      operation: 'tree',
      path,
    });
    this.limit = limit;
  }
}

/**
 * The server has no recursive watches or no multi-reads, which came with ZooKeeper 3.6, so a tree
 * cannot be kept in memory. `zk.watchNode` and `zk.watchChildren` work with older servers.
 */
export class TreeUnsupportedError extends CoordinationError {
  constructor(path: string, cause: unknown) {
    super(
      `the tree ${path} cannot be kept in memory: its server has no recursive watches, which came ` +
        'with ZooKeeper 3.6; zk.watchNode and zk.watchChildren do with older ones',
      { outcome: 'notApplied', operation: 'tree', path, cause },
    );
  }
}
