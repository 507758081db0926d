import { assert, childPath, nodeName, parentPath } from '@aviary/foundation';
import {
  ReplyTooLargeError,
  type CoordinationError,
  type NodeData,
  type NodeEvent,
} from '@aviary/client';
import { TreeLimitError } from './tree-errors.js';
import type { TreeNode, TreeProblem } from './tree-snapshot.js';
import { Want } from './want.js';

/** Of more nodes it is not remembered that they were read lately. */
const ROUND_NODES_MAX = 512;
/** More repeated batches are not counted. */
const REPEATS_MAX = 8;
/** Deeper trees are refused: what walks through them would run out of stack. */
const DEPTH_LIMIT = 1_000;

/** How much of a tree is kept. */
export interface TreeLimits {
  /** Nodes deeper than this below the root are left out. 1: the root and its children. */
  readonly depthMax: number;
  readonly nodesMax: number;
  readonly bytesMax: number;
}

/** What a read of one node brought; all of it from one moment. */
export type NodeRead =
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly error: CoordinationError }
  | {
      readonly kind: 'read';
      readonly node: NodeData;
      /** The names of its children, if the read asked for them. */
      readonly names: readonly string[] | null;
    };

/** What is known of a node. `unlisted`: nothing, in a tree that is being read. */
export type NodeGlimpse =
  | { readonly kind: 'absent' | 'unlisted' | 'unread' }
  | { readonly kind: 'refused'; readonly error: CoordinationError }
  | { readonly kind: 'read'; readonly node: NodeData };

/** What is known of one node. */
class Entry {
  value: NodeData | null = null;
  refusal: CoordinationError | null = null;
  readonly children = new Map<string, Entry>();
  /** The same for a snapshot. Invariant: if it is null in one that was read, it is in all above it. */
  frozen: TreeNode | null = null;
  /** The names of the children in order; null: to be sorted. */
  names: readonly string[] | null = null;
  /** The last sweep that has listed it. */
  sweep = 0;
  /** The history of the ensemble in which it was read. */
  history = 0;

  constructor(
    readonly path: string,
    readonly parent: Entry | null,
    readonly depth: number,
  ) {}
}

/**
 * A tree in memory: what reads and events said of it, and what has to be read (again) before it is
 * complete. No request is made here.
 *
 * Why a complete store is a consistent one: on one connection events come before any answer that
 * shows what they announce. So if each node was read, and no event for it came after that read, then
 * every node is as it was at the newest thing that came at all. But answers are looked at a little
 * later than events that came behind them: so an event while a read is on its way counts as one
 * after it, unless the zxids prove the contrary. And each name in a list is read before it is
 * believed, and each that an event brought is read although an (older) list does not have it.
 */
export class TreeStore {
  /** What must be read, in the order in which it came to be so; in flight or not. */
  private readonly wants = new Map<string, Want>();
  private readonly entries = new Map<string, Entry>();
  /** What was read since the store was last complete. */
  private readonly round = new Set<string>();
  private readonly path: string;
  private readonly limits: TreeLimits;
  /** Read in a newer state, refused, or gone since somebody last asked. */
  private changes = new Set<string>();
  private readonly rootDepth: number;
  private flying = 0;
  private bytes = 0;
  private sweeps = 0;
  private repeats = 0;
  private sweepDone = -1;
  private history = 0;
  private refusals = 0;

  constructor(path: string, limits: TreeLimits) {
    this.path = path;
    this.limits = limits;
    this.rootDepth = depthOf(path);
  }

  /** How many batches lately held nodes that were read before, and not all of them were clean then. */
  get repeatedBatches(): number {
    return this.repeats;
  }

  /** Everything is known, and as of one moment. */
  get isComplete(): boolean {
    return this.wants.size === 0 && this.sweeps > 0;
  }

  /** How many nodes wait to be read and are not on their way. */
  get waiting(): number {
    return this.wants.size - this.flying;
  }

  /** Events may have been missed: everything has to be read again. What is known stays meanwhile. */
  sweep(): void {
    this.sweeps++;
    this.wants.clear();
    this.flying = 0;
    this.endRound();
    this.wantRoot(this.limits.depthMax > 0);
  }

  /** Zxids have begun anew: what is known may be replaced by what looks older. */
  forget(): void {
    this.history++;
  }

  /** The paths of nodes that were read in a newer state, refused, or are gone; each once. */
  takeChanges(): ReadonlySet<string> {
    const { changes } = this;
    if (changes.size > 0) this.changes = new Set();
    return changes;
  }

  /** @throws {TreeLimitError} */
  event({ kind, path, zxid }: NodeEvent): void {
    // Until the first reset nothing is known, and with it everything is read.
    if (this.sweeps === 0 || kind === 'childrenChanged') return;
    if (depthOf(path) - this.rootDepth > this.limits.depthMax) return;
    if (kind === 'deleted') {
      this.removeTree(path);
      this.drop(path);
      // A read tells that the rest of its transaction has been heard of, too.
      if (path === this.path) this.wantRoot(false);
      else this.touchParent(path, zxid);
      return;
    }
    if (!this.entries.has(path) && !(kind === 'created' && this.bear(path))) {
      this.search(path);
      return;
    }
    if (this.isTooLarge(path)) return;
    this.want(path, false).noteData(zxid);
    if (kind === 'created') this.touchParent(path, zxid);
  }

  /** The next nodes to read, at most `max`; they are in flight until {@link apply} or {@link giveBack}. */
  take(max: number): Want[] {
    const batch: Want[] = [];
    for (const want of this.wants.values()) {
      if (batch.length === max) break;
      if (!want.inFlight) batch.push(want);
    }
    if (batch.some(({ path }) => this.round.has(path))) this.repeats++;
    // Nodes that change in turns would never all be clean at once. Read together they are.
    if (batch.length > 0 && this.round.size + batch.length <= max) {
      for (const path of this.round) {
        if (this.wants.has(path) || !this.entries.has(path) || this.isTooLarge(path)) continue;
        batch.push(this.want(path, false));
      }
    } else if (batch.length < max && this.round.size > ROUND_NODES_MAX) {
      // All was read once. Which ones are changed begins to show now.
      this.round.clear();
    }
    for (const want of batch) {
      want.sent();
      this.flying++;
      this.round.add(want.path);
    }
    return batch;
  }

  /** A read failed and says nothing; it is to be done again. */
  giveBack(batch: readonly Want[]): void {
    for (const want of batch) this.land(want);
  }

  /**
   * Takes in what the read of `want` brought, unless it was overtaken by a sweep or a deletion.
   *
   * @returns false: the node looked older than it was already, and must be read again.
   * @throws {TreeLimitError}
   */
  apply(want: Want, read: NodeRead): boolean {
    if (!this.land(want)) return true;
    const { path } = want;
    switch (read.kind) {
      case 'missing':
        // What an event brought while the read was under way exists, or was deleted by another event.
        if (want.hasNews) return true;
        this.removeTree(path);
        this.drop(path);
        return true;
      case 'refused':
        this.refuse(path, read.error);
        // No Stat says what the refusal knew of, and who writes there without end must not delay the rest.
        if (!want.hasNews || want.isRefused) this.drop(path);
        else want.isRefused = true;
        return true;
      case 'read':
        return this.applyValue(want, read.node, read.names);
    }
  }

  /** Leaves a node out that cannot be read, and asks for it no more while it exists. */
  leaveOut(path: string, error: CoordinationError): void {
    if (!this.entries.has(path)) return;
    this.refuse(path, error);
    this.drop(path);
  }

  /** Ends the round: the store is complete, and was shown. */
  shown(): void {
    this.sweepDone = this.sweeps;
    this.endRound();
  }

  /** What is known of a node just now. */
  peek(path: string): NodeGlimpse {
    const entry = this.entries.get(path);
    if (entry === undefined)
      return { kind: this.sweepDone === this.sweeps ? 'absent' : 'unlisted' };
    if (entry.refusal !== null) return { kind: 'refused', error: entry.refusal };
    return entry.value === null ? { kind: 'unread' } : { kind: 'read', node: entry.value };
  }

  /** The tree as it is known, sharing with earlier ones what has not changed. */
  freeze(): TreeNode | null {
    const root = this.entries.get(this.path);
    return root === undefined ? null : freeze(root);
  }

  problems(): TreeProblem[] {
    const problems: TreeProblem[] = [];
    if (this.refusals === 0) return problems;
    for (const { path, refusal } of this.entries.values()) {
      if (refusal !== null) problems.push({ path, error: refusal });
    }
    return problems;
  }

  /** What was needed to end it is needed for the next one, too, or almost. */
  private endRound(): void {
    this.round.clear();
    this.repeats = Math.max(0, Math.min(this.repeats, REPEATS_MAX) - 1);
  }

  private applyValue(want: Want, node: NodeData, names: readonly string[] | null): boolean {
    const { path } = want;
    const entry = this.entryOf(path);
    const before = entry.value;
    const isOlder = before !== null && node.stat.mzxid < before.stat.mzxid;
    if (isOlder && entry.history === this.history) return false;
    entry.history = this.history;
    if (entry.refusal !== null) this.refusals--;
    entry.refusal = null;
    entry.value = node;
    thaw(entry);
    this.bytes += (node.data?.length ?? 0) - (before?.data?.length ?? 0);
    this.checkLimits();
    if (before?.stat.mzxid !== node.stat.mzxid) this.changes.add(path);
    if (names !== null) this.applyNames(entry, names);
    if (want.isNewerThan(node.stat)) return true;
    const isListed = names !== null || entry.depth >= this.limits.depthMax;
    if (isListed || node.stat.numChildren === entry.children.size) this.drop(path);
    // Servers that hide nodes from who may not read them also hide their events.
    else want.list = true;
    return true;
  }

  private applyNames(entry: Entry, names: readonly string[]): void {
    const listed = new Set(names);
    for (const child of entry.children.values()) {
      const name = nodeName(child.path);
      if (listed.has(name)) continue;
      this.removeTree(child.path);
      this.drop(child.path);
    }
    for (const name of names) {
      const path = childPath(entry.path, name);
      const child = entry.children.get(name) ?? this.add(path, entry);
      if (child.sweep === this.sweeps) continue;
      child.sweep = this.sweeps;
      if (this.isTooLarge(path)) continue;
      this.want(path, child.depth < this.limits.depthMax);
    }
    this.checkLimits();
  }

  /** Whatever is wanted has an entry, and whatever has none is not wanted. */
  private entryOf(path: string): Entry {
    const entry = this.entries.get(path);
    assert(entry !== undefined, `${path} is wanted and not known`);
    return entry;
  }

  /**
   * An event of a node that is not known: a list that has not been seen yet has it. If there is none to
   * come, then nobody was told when the node was made, or it is below one that could not be read: servers
   * are silent on what must not be read, and on when it may be.
   */
  private search(path: string): void {
    let above = parentPath(path);
    while (above !== null && !this.entries.has(above)) above = parentPath(above);
    if (above !== null && !this.isTooLarge(above)) this.want(above, true);
  }

  /** An entry that begins with an event: everything below it comes with events, too. */
  private bear(path: string): boolean {
    const parent = path === this.path ? null : this.entries.get(parentPath(path) ?? '');
    if (parent === undefined || (parent !== null && parent.refusal !== null)) return false;
    const entry = this.add(path, parent);
    entry.sweep = this.sweeps;
    this.checkLimits();
    return true;
  }

  private add(path: string, parent: Entry | null): Entry {
    const depth = parent === null ? 0 : parent.depth + 1;
    if (depth > DEPTH_LIMIT) {
      throw new TreeLimitError(this.path, 'depth', `more than ${DEPTH_LIMIT} levels`);
    }
    const entry = new Entry(path, parent, depth);
    this.entries.set(path, entry);
    if (parent !== null) {
      parent.children.set(nodeName(path), entry);
      parent.names = null;
      thaw(parent);
    }
    return entry;
  }

  private refuse(path: string, error: CoordinationError): void {
    const entry = this.entryOf(path);
    for (const child of entry.children.values()) {
      this.removeTree(child.path);
      this.drop(child.path);
    }
    thaw(entry);
    this.bytes -= entry.value?.data?.length ?? 0;
    if (entry.refusal === null) this.refusals++;
    entry.value = null;
    entry.refusal = error;
    this.changes.add(path);
  }

  private removeTree(path: string): void {
    const top = this.entries.get(path);
    if (top === undefined) return;
    if (top.parent !== null) {
      top.parent.children.delete(nodeName(path));
      top.parent.names = null;
      thaw(top.parent);
    }
    const going = [top];
    for (let entry = going.pop(); entry !== undefined; entry = going.pop()) {
      going.push(...entry.children.values());
      this.entries.delete(entry.path);
      this.bytes -= entry.value?.data?.length ?? 0;
      if (entry.refusal !== null) this.refusals--;
      if (entry !== top) this.drop(entry.path);
      this.changes.add(entry.path);
    }
  }

  /** The root is there before it is read: what events say meanwhile must find it. */
  private wantRoot(list: boolean): void {
    if (!this.entries.has(this.path)) this.add(this.path, null);
    this.want(this.path, list);
  }

  private want(path: string, list: boolean): Want {
    let want = this.wants.get(path);
    if (want === undefined) {
      want = new Want(path);
      this.wants.set(path, want);
    }
    if (list && !want.list) {
      want.list = true;
      want.again();
    }
    return want;
  }

  /** Not wanted any more; what is on its way for it will be dropped. */
  private drop(path: string): void {
    const want = this.wants.get(path);
    if (want === undefined) return;
    if (want.inFlight) this.flying--;
    this.wants.delete(path);
  }

  /** A read came back. false: nobody waits for it any more. */
  private land(want: Want): boolean {
    if (this.wants.get(want.path) !== want) return false;
    if (want.inFlight) this.flying--;
    want.inFlight = false;
    return true;
  }

  /** A child came or went, and nobody is told that its parent's Stat says so. */
  private touchParent(path: string, zxid: bigint | null): void {
    const parent = parentPath(path);
    if (path === this.path || parent === null || !this.entries.has(parent)) return;
    if (this.isTooLarge(parent)) return;
    this.want(parent, false).noteChild(zxid);
  }

  /** Its answer cost the connection: the next connection would go the same way. */
  private isTooLarge(path: string): boolean {
    return this.entries.get(path)?.refusal instanceof ReplyTooLargeError;
  }

  private checkLimits(): void {
    const { nodesMax, bytesMax } = this.limits;
    if (this.entries.size > nodesMax) {
      throw new TreeLimitError(this.path, 'nodes', `more than ${nodesMax} nodes (nodesMax)`);
    }
    if (this.bytes > bytesMax) {
      throw new TreeLimitError(this.path, 'bytes', `more than ${bytesMax} bytes (bytesMax)`);
    }
  }
}

function freeze(entry: Entry): TreeNode | null {
  if (entry.value === null) return null;
  if (entry.frozen !== null) return entry.frozen;
  entry.names ??= [...entry.children.keys()].sort();
  const children = new Map<string, TreeNode>();
  for (const name of entry.names) {
    const child = entry.children.get(name);
    const node = child === undefined ? null : freeze(child);
    if (node !== null) children.set(name, node);
  }
  const { path, value } = entry;
  entry.frozen = { path, name: nodeName(path), data: value.data, stat: value.stat, children };
  return entry.frozen;
}

function thaw(entry: Entry): void {
  // One that could not be read was not there, whatever is frozen above it.
  entry.frozen = null;
  for (let at = entry.parent; at !== null && at.frozen !== null; at = at.parent) at.frozen = null;
}

function depthOf(path: string): number {
  if (path === '/') return 0;
  let depth = 0;
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) depth++;
  return depth;
}
