import { pathProblem } from '@aviary/foundation';
import {
  AbortedError,
  ClosedError,
  DeadlineExceededError,
  InvalidArgumentError,
  InvalidPathError,
  type NodeView,
  type Stat,
  type WaitOptions,
  type ZooKeeper,
} from '@aviary/client';
import { Observable, Subscription, distinctUntilChanged, filter, map } from 'rxjs';
import { SharedTree, type TreeView } from './shared-tree.js';
import type { TreeNode, TreeSnapshot } from './tree-snapshot.js';
import type { TreeLimits } from './tree-store.js';

/** How much of a tree is kept. */
export interface TreeOptions {
  /**
   * Nodes deeper than this below the root are left out; 0: the root alone, 1: with its children. Unset:
   * all of them. Of the deepest ones the Stat does not follow what happens to their children.
   */
  readonly depthMax?: number | undefined;
  /** More nodes end the tree with TreeLimitError. Default: 100,000. */
  readonly nodesMax?: number | undefined;
  /** More bytes of data end the tree with TreeLimitError. Default: 64 MiB. */
  readonly bytesMax?: number | undefined;
}

/** A node and its children as they were at one moment. */
export interface DirectoryView {
  readonly path: string;
  readonly stat: Stat;
  /** In the order of their names. */
  readonly children: readonly TreeNode[];
}

/**
 * A node and all below it, kept in memory for as long as somebody subscribes.
 *
 * All subscribers in this process, whatever they look at, share one recursive watch at the server
 * and one copy of the tree, which is made for the first and dropped after the last. It is kept up to
 * date by events, and read again after every gap: a broken connection, a new session. What was
 * known stays and is shown meanwhile, marked `stale`; nothing that was shown is ever followed
 * by something older.
 *
 * All streams replay the latest value to each subscriber, and skip states in between but never the
 * newest. They go on over reconnects and new sessions and complete when the client is closed. They end
 * with TreeLimitError if the tree is too large, TreeUnsupportedError if a server is older than 3.6,
 * AuthFailedError; a node that must not be read ends nothing, see {@link TreeSnapshot.problems}.
 */
export interface CachedTree {
  /** Its root. */
  readonly path: string;
  /** What {@link view$} showed last; null: nothing yet, or nobody subscribes. */
  readonly view: TreeView | null;
  /**
   * The tree, consistent as of one transaction, and whether it may be stale. The first value is the
   * first complete tree. While something else changes in every round trip to the server, the next
   * snapshot waits for the first that is complete.
   */
  readonly view$: Observable<TreeView>;
  /** The snapshots of {@link view$}, each once. */
  readonly snapshot$: Observable<TreeSnapshot>;
  /**
   * One node of the tree, whenever its data changed, without waiting for the others; null while it does
   * not exist, and always outside of the tree, `depthMax` included. Errors with NoAuthError or whatever else keeps it from being read.
   */
  node$(path: string): Observable<NodeView | null>;
  /** A node's children with their data, out of {@link snapshot$}; null while it does not exist. */
  children$(path?: string): Observable<DirectoryView | null>;
  /**
   * The first snapshot from now on that is not stale. It keeps nothing alive: subscribe before, if it
   * is to stay in memory.
   *
   * @throws {DeadlineExceededError} @throws {AbortedError} @throws {ClosedError} and how streams end.
   */
  load(options?: WaitOptions): Promise<TreeSnapshot>;
}

const NODES_MAX = 100_000;
const BYTES_MAX = 64 * 1024 * 1024;
const registries = new WeakMap<ZooKeeper, Trees>();

/** The trees that one client keeps in memory, shared among all who ask for the same. */
export class Trees {
  private readonly zk: ZooKeeper;
  private readonly trees = new Map<string, SharedTree>();

  private constructor(zk: ZooKeeper) {
    this.zk = zk;
  }

  /** Those of a client: the same object for everybody who asks. */
  static of(zk: ZooKeeper): Trees {
    let trees = registries.get(zk);
    if (trees === undefined) registries.set(zk, (trees = new Trees(zk)));
    return trees;
  }

  /** How many trees are kept just now. */
  get size(): number {
    return this.trees.size;
  }

  /**
   * The tree at `path`. Nothing happens before somebody subscribes. Those who ask with the same limits
   * share it; the watch at the server is shared by all.
   *
   * @throws {InvalidPathError} @throws {InvalidArgumentError} A limit is not a number from 0 up.
   */
  tree(path: string, options: TreeOptions = {}): CachedTree {
    checkPath(path);
    const limits = limitsOf(options);
    const key = [path, limits.depthMax, limits.nodesMax, limits.bytesMax].join('\0');
    const follow = <T>(streamOf: (tree: SharedTree) => Observable<T>) =>
      new Observable<T>((subscriber) => {
        const tree = this.join(key, path, limits);
        const subscription = streamOf(tree).subscribe(subscriber);
        // Only now does somebody listen to what it finds out at once.
        if (!tree.isStarted) tree.start();
        return () => {
          subscription.unsubscribe();
          this.leave(key, tree);
        };
      });
    return new TreeHandle(this.zk, path, follow, () => this.trees.get(key)?.view ?? null);
  }

  private join(key: string, path: string, limits: TreeLimits): SharedTree {
    let tree = this.trees.get(key);
    if (tree === undefined) {
      const made = new SharedTree(this.zk, path, limits, () => this.forget(key, made));
      this.trees.set(key, (tree = made));
    }
    tree.subscribers++;
    return tree;
  }

  private leave(key: string, tree: SharedTree): void {
    tree.subscribers--;
    if (tree.subscribers > 0) return;
    tree.stop();
    this.forget(key, tree);
  }

  private forget(key: string, tree: SharedTree): void {
    if (this.trees.get(key) === tree) this.trees.delete(key);
  }
}

class TreeHandle implements CachedTree {
  readonly view$: Observable<TreeView>;
  readonly snapshot$: Observable<TreeSnapshot>;

  constructor(
    private readonly zk: ZooKeeper,
    readonly path: string,
    private readonly follow: <T>(streamOf: (tree: SharedTree) => Observable<T>) => Observable<T>,
    private readonly latest: () => TreeView | null,
  ) {
    this.view$ = follow(({ views }) => views);
    this.snapshot$ = this.view$.pipe(
      map(({ snapshot }) => snapshot),
      distinctUntilChanged(),
    );
  }

  get view(): TreeView | null {
    return this.latest();
  }

  node$(path: string): Observable<NodeView | null> {
    checkPath(path);
    return this.follow((tree) => tree.node(path));
  }

  children$(path: string = this.path): Observable<DirectoryView | null> {
    checkPath(path);
    return this.snapshot$.pipe(
      map((snapshot) => snapshot.get(path)),
      distinctUntilChanged(hasSameChildren),
      map((node) => {
        if (node === null) return null;
        return { path, stat: node.stat, children: [...node.children.values()] };
      }),
    );
  }

  load({ signal, deadlineMs = Infinity }: WaitOptions = {}): Promise<TreeSnapshot> {
    const { path, zk } = this;
    const facts = { outcome: 'notApplied', operation: 'load', path } as const;
    const ends = new Subscription();
    return new Promise<TreeSnapshot>((resolve, reject) => {
      const abort = () => {
        const cause: unknown = signal?.reason;
        reject(new AbortedError(`load ${path}: the signal was aborted`, { ...facts, cause }));
      };
      if (signal?.aborted === true) return abort();
      if (typeof deadlineMs !== 'number' || !(deadlineMs >= 0)) {
        const given = String(deadlineMs);
        const problem = `deadlineMs must be a number of milliseconds from 0 up, not ${given}`;
        return reject(new InvalidArgumentError(`load ${path}: ${problem}`, facts));
      }
      if (deadlineMs !== Infinity) {
        const late = `load ${path}: not within ${deadlineMs} ms (the client is ${zk.state.kind})`;
        const onLate = () => reject(new DeadlineExceededError(late, facts));
        const timer = zk.clock.setTimer(deadlineMs, onLate);
        ends.add(() => timer.cancel());
      }
      signal?.addEventListener('abort', abort, { once: true });
      ends.add(() => signal?.removeEventListener('abort', abort));
      const views = this.view$.pipe(filter(({ stale }) => !stale));
      const subscription = views.subscribe({
        next: ({ snapshot }) => resolve(snapshot),
        error: reject,
        complete: () => reject(new ClosedError(`load ${path}: the client is closed`, facts)),
      });
      ends.add(subscription);
    }).finally(() => ends.unsubscribe());
  }
}

/** Whether two states of a directory show the same children with the same data. */
function hasSameChildren(one: TreeNode | null, other: TreeNode | null): boolean {
  if (one === other) return true;
  if (one === null || other === null) return false;
  if (one.stat.czxid !== other.stat.czxid || one.children.size !== other.children.size) {
    return false;
  }
  for (const [name, child] of one.children) {
    if (other.children.get(name)?.stat.mzxid !== child.stat.mzxid) return false;
  }
  return true;
}

function checkPath(path: string): void {
  const problem = typeof path === 'string' ? pathProblem(path) : 'a path must be a string';
  if (problem !== null) throw new InvalidPathError(`tree: ${problem}`);
}

function limitsOf(options: TreeOptions): TreeLimits {
  const limit = (name: keyof TreeOptions, fallback: number): number => {
    const value = options[name] ?? fallback;
    if (typeof value === 'number' && value >= 0) return value;
    throw new InvalidArgumentError(
      `tree: ${name} must be a number from 0 up, not ${String(value)}`,
    );
  };
  return {
    depthMax: limit('depthMax', Infinity),
    nodesMax: limit('nodesMax', NODES_MAX),
    bytesMax: limit('bytesMax', BYTES_MAX),
  };
}
