import type { TreeNode } from '@aviary/coordination';

/**
 * One node that differs between two snapshots. `created`, `deleted`: also when a node of the same name
 * was deleted and made anew in between, then both, in that order. `changed`: it was written to.
 */
export type CacheChange =
  | { readonly kind: 'created'; readonly path: string; readonly node: TreeNode }
  | {
      readonly kind: 'changed';
      readonly path: string;
      readonly node: TreeNode;
      readonly before: TreeNode;
    }
  | { readonly kind: 'deleted'; readonly path: string; readonly before: TreeNode };

/**
 * What became of `before`: children are deleted before their parents and created after them. What two
 * snapshots share is passed over: only directories with a difference in or below them are looked through.
 */
export function changesBetween(
  before: TreeNode | null,
  after: TreeNode | null,
): readonly CacheChange[] {
  const changes: CacheChange[] = [];
  compare(before, after, changes);
  return changes;
}

function compare(before: TreeNode | null, after: TreeNode | null, into: CacheChange[]): void {
  if (before === after) return;
  const isSame = before !== null && after?.stat.czxid === before.stat.czxid;
  if (!isSame) {
    if (before !== null) deleted(before, into);
    if (after !== null) created(after, into);
    return;
  }
  if (before.stat.mzxid !== after.stat.mzxid) {
    into.push({ kind: 'changed', path: after.path, node: after, before });
  }
  for (const [name, child] of before.children) {
    if (!after.children.has(name)) deleted(child, into);
  }
  for (const [name, child] of after.children) {
    compare(before.children.get(name) ?? null, child, into);
  }
}

function deleted(before: TreeNode, into: CacheChange[]): void {
  for (const child of before.children.values()) deleted(child, into);
  into.push({ kind: 'deleted', path: before.path, before });
}

function created(node: TreeNode, into: CacheChange[]): void {
  into.push({ kind: 'created', path: node.path, node });
  for (const child of node.children.values()) created(child, into);
}
