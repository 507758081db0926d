import { parentPath } from '@aviary/foundation';
import type { Acl } from '@aviary/protocol';
import { ConnectionLossError } from '../errors.js';
import { NoNodeError, NodeExistsError, UnimplementedError } from '../server-errors.js';

/** How missing nodes are made. */
export interface EnsureSettings {
  /** `container`: the server removes it once its last child is gone. Default: `persistent`. */
  readonly mode?: 'persistent' | 'container' | undefined;
  /** Who may do what with the nodes that are made. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
}

/** Creates one empty node. */
export type CreateNode = (path: string, mode: 'persistent' | 'container') => Promise<unknown>;

/** Containers go when they are empty, so a parent can vanish again before its child is made. */
const ROUNDS_MAX = 10;

/** Makes `path` and what is missing above it; whatever is there already stays as it is. */
export async function ensurePath(
  create: CreateNode,
  path: string,
  mode: 'persistent' | 'container',
): Promise<void> {
  if (path === '/') return;
  for (let round = 1; ; round++) {
    try {
      await create(path, mode);
      return;
    } catch (error) {
      if (error instanceof NodeExistsError) return;
      if (mode === 'container' && error instanceof UnimplementedError) {
        return ensurePath(create, path, 'persistent');
      }
      if (round === ROUNDS_MAX) throw error;
      // Whether it was made or not, the next attempt comes to the same end.
      if (error instanceof ConnectionLossError) continue;
      if (!(error instanceof NoNodeError)) throw error;
    }
    await ensurePath(create, parentPath(path) ?? '/', mode);
  }
}
