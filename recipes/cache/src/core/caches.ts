import { InvalidPathError, type NodeView, type WaitOptions, type ZooKeeper } from '@aviary/client';
import { Trees, type DirectoryView, type TreeOptions } from '@aviary/coordination';
import { childPath, pathProblem, silentLog, type Log } from '@aviary/foundation';
import type { Observable } from 'rxjs';
import { Cache } from './cache.js';

/** How {@link Caches} behave. */
export interface CachesOptions {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /** Where it is reported what a kept cache goes without. Default: nowhere. */
  readonly log?: Log | undefined;
}

/**
 * Nodes, directories and trees in memory, for the client of one session.
 *
 * @example
 * const caches = new Caches(zk);
 * const prices = await caches.tree('/prices').ready({ deadlineMs: 5_000 });
 * prices.get('bananas')?.data; // now, without waiting
 * prices.changes$.subscribe(({ kind, path }) => console.log(kind, path));
 */
export class Caches {
  private readonly trees: Trees;
  private readonly root: string;
  private readonly log: Log;
  private readonly caches = new Map<string, Cache>();

  /** @throws {InvalidPathError} `root` is not a path. */
  constructor(zk: ZooKeeper, { root = '/', log = silentLog }: CachesOptions = {}) {
    const problem = typeof root === 'string' ? pathProblem(root) : 'a path must be a string';
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    this.trees = Trees.of(zk);
    this.root = root;
    this.log = log;
  }

  /**
   * The cache of a node and all below it; the same object for the same path and limits.
   *
   * @param path Below {@link CachesOptions.root}, or absolute.
   * @throws {InvalidPathError} @throws {InvalidArgumentError} A limit is not a number from 0 up.
   */
  tree(path: string, options: TreeOptions = {}): Cache {
    const absolute = this.pathOf(path);
    const { depthMax, nodesMax, bytesMax } = options;
    const key = [absolute, depthMax, nodesMax, bytesMax].join('\0');
    let cache = this.caches.get(key);
    if (cache === undefined) {
      cache = new Cache(this.trees.tree(absolute, options), this.log);
      this.caches.set(key, cache);
    }
    return cache;
  }

  /**
   * One node, whatever is below it; null while it does not exist. The server tells of everything below it,
   * too: for a node above many that change, `zk.watchNode` is cheaper.
   */
  node$(path: string): Observable<NodeView | null> {
    const absolute = this.pathOf(path);
    return this.trees.tree(absolute, { depthMax: 0 }).node$(absolute);
  }

  /** A node's children with their data; null while it does not exist. What is below them is left out. */
  children$(path: string): Observable<DirectoryView | null> {
    return this.trees.tree(this.pathOf(path), { depthMax: 1 }).children$();
  }

  /** Keeps every cache that was asked for so far, and waits until all have loaded. @see {@link Cache.ready} */
  async ready(options: WaitOptions = {}): Promise<void> {
    await Promise.all(Array.from(this.caches.values(), (cache) => cache.ready(options)));
  }

  /** Keeps none of them any longer. Subscribers go on. */
  close(): void {
    for (const cache of this.caches.values()) cache.close();
  }

  private pathOf(path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError('the path of a cache must be a string, and not empty');
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`cache: ${problem}`, { path });
    return absolute;
  }
}
