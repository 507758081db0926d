import { RecipeWorld, type Service } from '../../../../test/recipes/recipe-world.js';
import { Trees, type CachedTree, type TreeOptions, type TreeView } from '../../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../../test/recipes/recipe-world.js';
export { RecipeWorld, type Service };

/** Somebody who subscribes to a tree, and what was shown. */
export interface Reader {
  readonly tree: CachedTree;
  readonly views: TreeView[];
  /** How the stream ended; null: it goes on. */
  readonly end: () => unknown;
  stop(): void;
}

/** Subscribes to the views of a tree. */
export function follow({ zk }: Service, path: string, options?: TreeOptions): Reader {
  const tree = Trees.of(zk).tree(path, options);
  const views: TreeView[] = [];
  let end: unknown = null;
  const subscription = tree.view$.subscribe({
    next: (view) => views.push(view),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'complete'),
  });
  return { tree, views, end: () => end, stop: () => subscription.unsubscribe() };
}

/** The data of every node, by path. */
export function texts(view: TreeView | null | undefined): Record<string, string> {
  const nodes = [...(view?.snapshot.nodes() ?? [])];
  return Object.fromEntries(nodes.map(({ path, data }) => [path, String(data)]));
}
