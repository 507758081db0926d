import type { DataTree } from './data-tree.js';
import { isSystemPath } from './node-digest.js';
import { NO_NODE } from './node-record.js';
import type { PendingUsage } from './pending-usage.js';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS_NAME = '/zookeeper_limits';
const STATS_NAME = '/zookeeper_stats';

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** What a limits or a stats node says; -1: no limit. */
export interface QuotaFigures {
  readonly count: number;
  readonly bytes: number;
  readonly countHardLimit: number;
  readonly byteHardLimit: number;
}

/**
 * Parses `count=5,bytes=1000=;byteHardLimit=-1;countHardLimit=-1`; what is absent or empty is -1.
 * StatsTrack; the odd `=;` keeps parsers of old versions content.
 */
export function parseQuota(text: string): QuotaFigures {
  const values = new Map<string, number>();
  for (const part of text.split(/[,;]/)) {
    const [key = '', value = ''] = part.split('=');
    if (value !== '') values.set(key, Number(value));
  }
  const of = (key: string) => {
    const value = values.get(key);
    return value === undefined || Number.isNaN(value) ? -1 : value;
  };
  return {
    count: of('count'),
    bytes: of('bytes'),
    countHardLimit: of('countHardLimit'),
    byteHardLimit: of('byteHardLimit'),
  };
}

/**
 * Keeps count of nodes and bytes below every path that has a quota, in the stats node of that path.
 *
 * The stats change in place, without a version, a time or a watch: they are no history of their own.
 */
export class QuotaKeeper {
  /** Paths with a limits node. */
  private readonly roots = new Set<string>();

  constructor(private readonly tree: DataTree) {}

  /** Finds the quotas of a tree that was loaded, and counts anew. */
  loadFromTree(): void {
    this.roots.clear();
    const top = this.tree.findText(QUOTA_ROOT);
    if (top === NO_NODE) return;
    const found: string[] = [];
    this.tree.forEachInSubtree(top, (node) => {
      const path = this.tree.nodes.pathOf(node);
      const root = rootNamedBy(path, LIMITS_NAME);
      if (root !== null) found.push(root);
    });
    for (const root of found) {
      this.roots.add(root);
      this.countAnew(root);
    }
  }

  /** The node at a path was just created. */
  created(bytes: Uint8Array, start: number, end: number, node: number): void {
    const isSystem = isSystemPath(bytes, start, end);
    if (!isSystem && this.roots.size === 0) return;
    const path = utf8.decode(bytes.subarray(start, end));
    if (isSystem) {
      const limited = rootNamedBy(path, LIMITS_NAME);
      if (limited !== null) this.roots.add(limited);
      // Stats may be there before their limits, where nobody kept them: replay meets them so.
      const counted = limited ?? rootNamedBy(path, STATS_NAME);
      if (counted !== null) this.countAnew(counted);
    }
    const root = this.rootOf(path);
    if (root !== null) this.add(root, 1, this.dataBytesOf(node));
  }

  /** The node at a path is about to be deleted. */
  deleting(bytes: Uint8Array, start: number, end: number, node: number): void {
    const isSystem = isSystemPath(bytes, start, end);
    if (!isSystem && this.roots.size === 0) return;
    const path = utf8.decode(bytes.subarray(start, end));
    if (isSystem) {
      const limited = rootNamedBy(path, LIMITS_NAME);
      if (limited !== null) this.roots.delete(limited);
    }
    const root = this.rootOf(path);
    if (root !== null) this.add(root, -1, -this.dataBytesOf(node));
  }

  /** The data of the node at a path is about to become `newBytes` long. */
  settingData(bytes: Uint8Array, start: number, end: number, node: number, newBytes: number): void {
    if (this.roots.size === 0) return;
    const root = this.rootOf(utf8.decode(bytes.subarray(start, end)));
    if (root !== null) this.add(root, 0, newBytes - this.dataBytesOf(node));
  }

  /** Whether any path has a quota. */
  get isEmpty(): boolean {
    return this.roots.size === 0;
  }

  /**
   * Whether a growth by so many nodes and bytes at `path` would pass a hard limit.
   *
   * @param pending What is on its way and not in the stats yet.
   */
  exceedsHardLimit(
    path: string,
    nodes: number,
    bytes: number,
    pending: PendingUsage | null = null,
  ): boolean {
    const root = this.rootOf(path);
    if (root === null) return false;
    const limits = this.figuresAt(`${QUOTA_ROOT}${root}${LIMITS_NAME}`);
    const stats = this.figuresAt(`${QUOTA_ROOT}${root}${STATS_NAME}`);
    if (limits === null || stats === null) return false;
    const count = stats.count + (pending?.nodesBelow(root) ?? 0) + nodes;
    const content = stats.bytes + (pending?.bytesBelow(root) ?? 0) + bytes;
    const isOverCount = limits.countHardLimit > -1 && count > limits.countHardLimit;
    const isOverBytes = limits.byteHardLimit > -1 && content > limits.byteHardLimit;
    return (nodes > 0 && isOverCount) || (bytes > 0 && isOverBytes);
  }

  /** The deepest path with a quota at or above `path`; the root of the tree has none. */
  rootOf(path: string): string | null {
    for (let at = path; at.length > 1; at = at.slice(0, at.lastIndexOf('/'))) {
      if (this.roots.has(at)) return at;
    }
    return null;
  }

  private figuresAt(path: string): QuotaFigures | null {
    const node = this.tree.findText(path);
    return node === NO_NODE ? null : parseQuota(this.textOf(node));
  }

  private textOf(node: number): string {
    const { nodes } = this.tree;
    nodes.select(node);
    const start = nodes.valueAt + 4;
    return utf8.decode(nodes.bytes.subarray(start, start + nodes.dataBytes));
  }

  private dataBytesOf(node: number): number {
    this.tree.nodes.select(node);
    return this.tree.nodes.dataBytes;
  }

  private countAnew(root: string): void {
    const { tree } = this;
    const top = tree.findText(root);
    let count = 0;
    let bytes = 0;
    if (top !== NO_NODE) {
      tree.forEachInSubtree(top, (node) => {
        count++;
        bytes += this.dataBytesOf(node);
      });
    }
    this.write(root, { count, bytes, countHardLimit: -1, byteHardLimit: -1 });
  }

  private add(root: string, nodes: number, bytes: number): void {
    const stats = this.figuresAt(`${QUOTA_ROOT}${root}${STATS_NAME}`);
    if (stats === null) return;
    this.write(root, { ...stats, count: stats.count + nodes, bytes: stats.bytes + bytes });
  }

  private write(root: string, figures: QuotaFigures): void {
    const { nodes } = this.tree;
    const node = this.tree.findText(`${QUOTA_ROOT}${root}${STATS_NAME}`);
    if (node === NO_NODE) return;
    const data = encoder.encode(`count=${figures.count},bytes=${figures.bytes}`);
    nodes.setData(node, data, 0, data.length);
  }
}

/** The path whose limits or stats node `path` is, or null. */
function rootNamedBy(path: string, name: string): string | null {
  if (!path.startsWith(`${QUOTA_ROOT}/`) || !path.endsWith(name)) return null;
  const root = path.slice(QUOTA_ROOT.length, path.length - name.length);
  return root === '' ? null : root;
}
