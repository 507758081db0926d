import { ClosedError, InvalidPathError, type NodeView, type WaitOptions } from '@aviary/client';
import type {
  CachedTree,
  DirectoryView,
  TreeNode,
  TreeProblem,
  TreeSnapshot,
  TreeView,
} from '@aviary/coordination';
import { childPath, pathProblem, type Log } from '@aviary/foundation';
import { Observable, concatMap, from, type Subscription } from 'rxjs';
import { changesBetween, type CacheChange } from './cache-change.js';
import { CacheNotLoadedError } from './cache-errors.js';

/**
 * A node and all below it in memory: as Observables, and, once it is {@link ready}, to be read without
 * waiting.
 *
 * Observables alone keep it in memory as long as somebody subscribes. {@link keep} (and `ready`) keep it
 * until {@link close}. It is one copy and one watch however many do either.
 *
 * All streams replay the latest value, skip states in between but never the newest, never go back, and go on
 * over broken connections and new sessions. They complete when the client is closed.
 */
export class Cache {
  /** The root of the tree. */
  readonly path: string;
  /** Each snapshot, and whether it may be stale: see `TreeView`. */
  readonly view$: Observable<TreeView>;
  /** Each snapshot once. It is of one moment: of the transaction `snapshot.zxid`. */
  readonly snapshot$: Observable<TreeSnapshot>;
  /**
   * Every node that differs from the snapshot before, one by one; at first every node, as `created`. What
   * happened in between two snapshots and was undone is not told.
   */
  readonly changes$: Observable<CacheChange>;
  private readonly tree: CachedTree;
  private readonly log: Log;
  private readonly reported = new Set<string>();
  private kept: Subscription | null = null;
  private ended: unknown = null;

  /** @internal Use `Caches.tree`. */
  constructor(tree: CachedTree, log: Log) {
    this.tree = tree;
    this.log = log;
    this.path = tree.path;
    this.view$ = tree.view$;
    this.snapshot$ = tree.snapshot$;
    this.changes$ = new Observable<readonly CacheChange[]>((subscriber) => {
      let before: TreeNode | null = null;
      return tree.snapshot$.subscribe({
        next: ({ root }) => {
          const changes = changesBetween(before, root);
          before = root;
          subscriber.next(changes);
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    }).pipe(concatMap((changes) => from(changes)));
  }

  /**
   * What it holds now.
   *
   * @throws {CacheNotLoadedError} Nothing: it is not kept, has not loaded yet, or ended with an error.
   */
  get snapshot(): TreeSnapshot {
    const view = this.tree.view;
    if (view !== null) return view.snapshot;
    const problem = this.ended instanceof Error ? this.ended.message : 'it is loading or not kept';
    throw new CacheNotLoadedError(this.path, problem);
  }

  /** Whether what it holds may be older than what the servers have; true before it has loaded. */
  get isStale(): boolean {
    return this.tree.view?.stale ?? true;
  }

  /** What could not be read. Empty before it has loaded. */
  get problems(): readonly TreeProblem[] {
    return this.tree.view?.snapshot.problems ?? [];
  }

  /**
   * A node as it is in {@link snapshot}; null: it does not exist, is deeper than `depthMax`, or could
   * not be read: see {@link problems}.
   *
   * @param path Absolute, or below the root of this cache.
   * @throws {CacheNotLoadedError} @throws {InvalidPathError}
   */
  get(path: string = this.path): TreeNode | null {
    return this.snapshot.get(this.pathOf(path));
  }

  /** The children of a node as they are in {@link snapshot}. @see {@link get} */
  children(path: string = this.path): readonly TreeNode[] {
    return this.snapshot.children(this.pathOf(path));
  }

  /**
   * One node, as soon as its data changed, without waiting for a whole snapshot; null while it does not
   * exist, and always if it is deeper than `depthMax`. Errors with NoAuthError or whatever else keeps it from being read.
   */
  node$(path: string = this.path): Observable<NodeView | null> {
    return this.tree.node$(this.pathOf(path));
  }

  /** A node's children with their data, of one moment; null while it does not exist. */
  children$(path: string = this.path): Observable<DirectoryView | null> {
    return this.tree.children$(this.pathOf(path));
  }

  /** Loads it, and keeps it until {@link close}. It loads anew after an error when called again. */
  keep(): this {
    if (this.kept !== null) return this;
    this.ended = null;
    this.kept = this.tree.view$.subscribe({
      next: ({ snapshot }) => this.report(snapshot),
      error: (error: unknown) => {
        this.kept = null;
        this.ended = error;
        this.log.error(`the cache of ${this.path} has ended`, { error });
      },
      complete: () => {
        this.kept = null;
        this.ended = new ClosedError('the client is closed', { outcome: 'notApplied' });
      },
    });
    return this;
  }

  /**
   * Keeps it, and waits until it holds a snapshot that is not stale.
   *
   * @throws {DeadlineExceededError} @throws {AbortedError} It goes on loading all the same.
   * @throws {TreeLimitError} @throws {TreeUnsupportedError} @throws {ClosedError} It has ended.
   */
  async ready(options: WaitOptions = {}): Promise<this> {
    this.keep();
    await this.tree.load(options);
    return this;
  }

  /** Keeps it no longer. Subscribers go on. */
  close(): void {
    this.kept?.unsubscribe();
    this.kept = null;
  }

  private pathOf(path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError('cache: the path of a node must be a string, and not empty');
    }
    const absolute = path.startsWith('/') ? path : childPath(this.path, path);
    const problem = pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`cache: ${problem}`, { path });
    const isInside = absolute === this.path || absolute.startsWith(childPath(this.path, ''));
    if (isInside) return absolute;
    throw new InvalidPathError(`cache: ${absolute} is not below ${this.path}`, { path });
  }

  /** Each node that cannot be read once, as long as it cannot. */
  private report({ problems }: TreeSnapshot): void {
    const paths = new Set(problems.map(({ path }) => path));
    for (const path of this.reported) if (!paths.has(path)) this.reported.delete(path);
    for (const { path, error } of problems) {
      if (this.reported.has(path)) continue;
      this.reported.add(path);
      this.log.warn(`the cache of ${this.path} goes without ${path}: ${error.message}`);
    }
  }
}
