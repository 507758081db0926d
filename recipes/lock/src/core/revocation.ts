import { childPath } from '@aviary/foundation';
import { InvalidArgumentError, NoNodeError, type ZooKeeper } from '@aviary/client';
import { inOrder, type ContenderView } from '@aviary/coordination';
import { familyOf, holds, type LayoutRules } from './lock-layout.js';
import { readSemaphore } from './lock-view.js';

/** What Curator's `Revoker` writes into the node of the contender that should let go. */
const REVOKE = '__REVOKE__';

/**
 * Asks all who hold the lock at `path` to let go.
 *
 * @returns false: nobody does.
 * @throws {InvalidArgumentError} It may be a semaphore of kazoo's, whose permits nobody can tell from
 * the nodes of others, which must not be written to.
 */
export async function revokeHolders(
  zk: ZooKeeper,
  path: string,
  rules: LayoutRules,
): Promise<boolean> {
  const children = await childrenOf(zk, path);
  const contenders = inOrder(children, rules);
  const [first] = contenders;
  if (first === undefined) return revokePermits(zk, path, rules, children);
  const family = familyOf(first.marker, rules);
  const queue = contenders.filter(({ marker }) => family.includes(marker));
  return revokeAll(zk, path, queue.filter(holds(queue, rules)));
}

/** Asks one contender to let go. @returns false: it is gone. */
export async function revokeContender(
  zk: ZooKeeper,
  { nodePath }: Pick<ContenderView, 'nodePath'>,
): Promise<boolean> {
  try {
    await zk.set(nodePath, REVOKE);
    return true;
  } catch (error) {
    if (error instanceof NoNodeError) return false;
    throw error;
  }
}

async function revokePermits(
  zk: ZooKeeper,
  path: string,
  rules: LayoutRules,
  children: readonly string[],
): Promise<boolean> {
  if (children.length === 0) return false;
  const { permits, named } = rules.semaphore(path);
  if (!named) {
    const { permits: found } = await readSemaphore(zk, path, rules, children);
    if (found.length === 0) return false;
    throw new InvalidArgumentError(
      `revoke ${path}: the names of kazoo's permits do not tell them from other nodes: ` +
        'revoke one by one what inspect() shows',
    );
  }
  const names = inOrder(await childrenOf(zk, permits), { queue: ['lease-'] });
  return revokeAll(zk, permits, names);
}

async function revokeAll(
  zk: ZooKeeper,
  path: string,
  holders: readonly { readonly name: string }[],
): Promise<boolean> {
  const nodes = holders.map(({ name }) => ({ nodePath: childPath(path, name) }));
  const asked = await Promise.all(nodes.map((node) => revokeContender(zk, node)));
  return asked.includes(true);
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return (await zk.children(path)).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}
