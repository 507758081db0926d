import type { CoordinationError, NodeData } from '@aviary/client';

/** A node of a snapshot, with everything below it. Never changes. */
export interface TreeNode extends NodeData {
  readonly path: string;
  /** The last part of the path; empty for `/`. */
  readonly name: string;
  /** Its children, by name and in the order of their names. */
  readonly children: ReadonlyMap<string, TreeNode>;
}

/** A node of the tree that could not be read: neither it nor what is below it is in the snapshot. */
export interface TreeProblem {
  readonly path: string;
  /** Why: NoAuthError, ReplyTooLargeError (too many children for one answer), ... */
  readonly error: CoordinationError;
}

/**
 * A tree as it was at one moment: every node is as it was when the ensemble had applied `zxid`.
 * Never changes. Snapshots share what is the same in both, so comparing nodes with `===` tells whether
 * anything at or below them is different.
 */
export class TreeSnapshot {
  /** The root of the tree: its path. */
  readonly path: string;
  /** The last transaction that is in it. */
  readonly zxid: bigint;
  /** The root of the tree; null: there is no such node (or it could not be read). */
  readonly root: TreeNode | null;
  /** What could not be read. */
  readonly problems: readonly TreeProblem[];

  /** @internal */
  constructor(facts: {
    readonly path: string;
    readonly zxid: bigint;
    readonly root: TreeNode | null;
    readonly problems: readonly TreeProblem[];
  }) {
    this.path = facts.path;
    this.zxid = facts.zxid;
    this.root = facts.root;
    this.problems = facts.problems;
  }

  /** The node at a path of the ensemble; null: it does not exist, or is outside of the tree. */
  get(path: string): TreeNode | null {
    if (path === this.path) return this.root;
    const prefix = this.path === '/' ? '/' : `${this.path}/`;
    if (!path.startsWith(prefix)) return null;
    let node = this.root;
    for (const name of path.slice(prefix.length).split('/')) {
      node = node?.children.get(name) ?? null;
    }
    return node;
  }

  /** The children of a node, in the order of their names; empty if it does not exist. */
  children(path: string = this.path): readonly TreeNode[] {
    return Array.from(this.get(path)?.children.values() ?? []);
  }

  /** Every node, parents before their children. */
  *nodes(): Generator<TreeNode> {
    if (this.root !== null) yield* nodesBelow(this.root);
  }
}

function* nodesBelow(node: TreeNode): Generator<TreeNode> {
  yield node;
  for (const child of node.children.values()) yield* nodesBelow(child);
}
