import { WatchEventType, type AddWatchMode } from '@aviary/protocol';

/** Which of the server's two tables a one-shot watch is in. */
export type WatchTableName = 'data' | 'child';

/**
 * Interest in the next change of one node. It is made before the read that sets the watch is sent,
 * so that no event can come too early to be seen.
 */
export class OneShotWatch {
  readonly table: WatchTableName;
  /** As the server knows it. */
  readonly path: string;
  /** The core's. `done`: it fired or was cancelled, and nobody waits for it. */
  stage: 'new' | 'pending' | 'armed' | 'done' = 'new';

  constructor(table: WatchTableName, path: string) {
    this.table = table;
    this.path = path;
  }
}

/** A watch that stays, on one node or on a whole subtree. */
export interface TreeWatch {
  readonly path: string;
  readonly mode: AddWatchMode;
  /** The server took it once, so after a break it can be set again together with the others. */
  known: boolean;
}

/** Paths for a setWatches, by the list that they belong in. */
export interface WatchLists {
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly child: readonly string[];
  readonly persistent: readonly string[];
  readonly recursive: readonly string[];
}

type ByPath = Map<string, Set<OneShotWatch>>;

function put(map: ByPath, path: string, watch: OneShotWatch | null): void {
  let set = map.get(path);
  if (set === undefined) {
    set = new Set();
    map.set(path, set);
  }
  if (watch !== null) set.add(watch);
}

function takeFrom(map: ByPath, path: string, into: OneShotWatch[]): void {
  const set = map.get(path);
  if (set === undefined) return;
  map.delete(path);
  for (const watch of set) {
    watch.stage = 'done';
    into.push(watch);
  }
}

function hasInterest(map: ByPath, path: string): boolean {
  return (map.get(path)?.size ?? 0) > 0;
}

/**
 * Who waits for which change.
 *
 * The server knows a connection and a path, never who asked: it fires once per connection, and
 * forgets everything when the connection ends. So this table is the memory: it fans an event out,
 * and it is what a new connection is told again.
 *
 * Invariant: an entry of `data`, `exist` or `child` means that the server holds a watch there (or
 * will after the next setWatches). An entry with an empty set is one that nobody wants any more.
 */
export class WatchTable {
  private readonly data: ByPath = new Map();
  private readonly exist: ByPath = new Map();
  private readonly child: ByPath = new Map();
  /** Watches whose read is on its way; an early event counts for them. */
  private readonly pendingData: ByPath = new Map();
  private readonly pendingChild: ByPath = new Map();
  private readonly persistent = new Map<string, TreeWatch>();
  private readonly recursive = new Map<string, TreeWatch>();

  /** Watches that wait to fire, and trees. */
  get size(): number {
    let count = this.persistent.size + this.recursive.size;
    for (const map of [this.data, this.exist, this.child, this.pendingData, this.pendingChild]) {
      for (const set of map.values()) count += set.size;
    }
    return count;
  }

  /** A read that sets `watch` was submitted. */
  pend(watch: OneShotWatch): void {
    watch.stage = 'pending';
    put(this.pendingOf(watch.table), watch.path, watch);
  }

  /**
   * The read that sets `watch` was answered, and the server now holds a watch where `armed` says.
   *
   * @returns Whether the server holds one that nobody wants.
   */
  answered(watch: OneShotWatch, armed: 'data' | 'exist' | 'child' | null): boolean {
    this.unpend(watch);
    const wanted = watch.stage === 'pending';
    if (armed !== null) put(this[armed], watch.path, wanted ? watch : null);
    watch.stage = wanted && armed !== null ? 'armed' : 'done';
    return this.sweep(watch.table, watch.path);
  }

  /**
   * The owner of `watch` is no longer interested.
   *
   * @returns Whether the server holds one that nobody wants.
   */
  cancel(watch: OneShotWatch): boolean {
    if (watch.stage === 'done') return false;
    watch.stage = 'done';
    this.unpend(watch);
    for (const map of this.armedOf(watch.table)) map.get(watch.path)?.delete(watch);
    return this.sweep(watch.table, watch.path);
  }

  /** The one-shot watches that an event ends. */
  fire(type: number, path: string): OneShotWatch[] {
    const fired: OneShotWatch[] = [];
    if (type !== WatchEventType.nodeChildrenChanged) {
      takeFrom(this.data, path, fired);
      takeFrom(this.exist, path, fired);
      takeFrom(this.pendingData, path, fired);
    }
    if (type === WatchEventType.nodeChildrenChanged || type === WatchEventType.nodeDeleted) {
      takeFrom(this.child, path, fired);
      takeFrom(this.pendingChild, path, fired);
    }
    return fired;
  }

  /** The trees that an event belongs to. */
  treesOf(type: number, path: string): TreeWatch[] {
    const found: TreeWatch[] = [];
    const own = this.persistent.get(path);
    if (own !== undefined) found.push(own);
    if (type === WatchEventType.nodeChildrenChanged || this.recursive.size === 0) return found;
    for (let at = path; ;) {
      const tree = this.recursive.get(at);
      if (tree !== undefined) found.push(tree);
      if (at.length <= 1) return found;
      const cut = at.lastIndexOf('/');
      at = cut <= 0 ? '/' : at.slice(0, cut);
    }
  }

  tree(path: string, mode: number): TreeWatch | undefined {
    return this.treesOfMode(mode).get(path);
  }

  /** The trees at exactly `path`, whatever their mode. */
  treesAt(path: string): TreeWatch[] {
    return [this.persistent.get(path), this.recursive.get(path)].filter((t) => t !== undefined);
  }

  trees(): TreeWatch[] {
    return [...this.persistent.values(), ...this.recursive.values()];
  }

  addTree(path: string, mode: AddWatchMode): TreeWatch {
    const tree: TreeWatch = { path, mode, known: false };
    this.treesOfMode(mode).set(path, tree);
    return tree;
  }

  removeTree(tree: TreeWatch): void {
    this.treesOfMode(tree.mode).delete(tree.path);
  }

  /** The client is over: nobody will be told of any tree. */
  endTrees(): void {
    this.persistent.clear();
    this.recursive.clear();
  }

  /** Whether somebody waits for a one-shot watch at `path`. */
  hasOneShots(path: string): boolean {
    return [this.data, this.exist, this.child, this.pendingData, this.pendingChild].some((map) =>
      hasInterest(map, path),
    );
  }

  /** The connection is gone, and every watch on the server with it. */
  connectionLost(): void {
    for (const map of [this.data, this.exist, this.child]) {
      for (const [path, set] of map) if (set.size === 0) map.delete(path);
    }
  }

  /** What a new connection must be told. */
  lists(): WatchLists {
    const known = (trees: ReadonlyMap<string, TreeWatch>) =>
      [...trees.values()].filter((tree) => tree.known).map((tree) => tree.path);
    return {
      data: [...this.data.keys()],
      exist: [...this.exist.keys()],
      child: [...this.child.keys()],
      persistent: known(this.persistent),
      recursive: known(this.recursive),
    };
  }

  /** Ends every one-shot watch and returns them: their session is over, or the client. */
  endOneShots(): OneShotWatch[] {
    const ended: OneShotWatch[] = [];
    for (const map of [this.data, this.exist, this.child, this.pendingData, this.pendingChild]) {
      for (const path of [...map.keys()]) takeFrom(map, path, ended);
    }
    return ended;
  }

  private pendingOf(table: WatchTableName): ByPath {
    return table === 'data' ? this.pendingData : this.pendingChild;
  }

  private armedOf(table: WatchTableName): readonly ByPath[] {
    return table === 'data' ? [this.data, this.exist] : [this.child];
  }

  private treesOfMode(mode: number): Map<string, TreeWatch> {
    return mode === 0 ? this.persistent : this.recursive;
  }

  private unpend(watch: OneShotWatch): void {
    const pending = this.pendingOf(watch.table);
    const set = pending.get(watch.path);
    if (set?.delete(watch) === true && set.size === 0) pending.delete(watch.path);
  }

  /** Forgets the entries at `path` if nobody wants them; true if the server holds one of them. */
  private sweep(table: WatchTableName, path: string): boolean {
    const armed = this.armedOf(table);
    if (hasInterest(this.pendingOf(table), path)) return false;
    if (armed.some((map) => hasInterest(map, path))) return false;
    let held = false;
    for (const map of armed) if (map.delete(path)) held = true;
    return held;
  }
}
