import type { Zxid } from '@aviary/foundation';

interface Usage {
  nodes: number;
  bytes: number;
}

interface Growth extends Usage {
  readonly root: string;
  readonly zxid: Zxid;
}

/**
 * By how much transactions that are made, but not yet applied, change what quotas count: the stats
 * nodes in the tree know nothing of them, so that without this every request under way, and every
 * operation of one multi, would be measured as if it were the only one.
 */
export class PendingUsage {
  private readonly byRoot = new Map<string, Usage>();
  /** In zxid order. */
  private growths: Growth[] = [];
  private head = 0;

  /** To where {@link rollBack} goes back, if it is called before anything is applied. */
  get mark(): number {
    return this.growths.length;
  }

  /** Nodes that will have come below the path `root`, less those that will have gone. */
  nodesBelow(root: string): number {
    return this.byRoot.get(root)?.nodes ?? 0;
  }

  /** Bytes of data that will have come below the path `root`, less those that will have gone. */
  bytesBelow(root: string): number {
    return this.byRoot.get(root)?.bytes ?? 0;
  }

  /** Notes what the transaction `zxid` changes below the path `root`, which has a quota. */
  add(root: string, zxid: Zxid, nodes: number, bytes: number): void {
    this.growths.push({ root, zxid, nodes, bytes });
    const usage = this.byRoot.get(root);
    if (usage === undefined) {
      this.byRoot.set(root, { nodes, bytes });
    } else {
      usage.nodes += nodes;
      usage.bytes += bytes;
    }
  }

  /** Forgets what was noted since {@link mark} was `mark`. */
  rollBack(mark: number): void {
    while (this.growths.length > mark) this.takeBack(this.growths.pop());
  }

  /** Says that the stats nodes show every transaction up to `zxid`. */
  applied(zxid: Zxid): void {
    const { growths } = this;
    while (this.head < growths.length && growths[this.head].zxid <= zxid) {
      this.takeBack(growths[this.head++]);
    }
    if (this.head < growths.length) return;
    this.clear();
  }

  clear(): void {
    this.byRoot.clear();
    this.growths = [];
    this.head = 0;
  }

  private takeBack(growth: Growth | undefined): void {
    const usage = growth === undefined ? undefined : this.byRoot.get(growth.root);
    if (growth === undefined || usage === undefined) return;
    usage.nodes -= growth.nodes;
    usage.bytes -= growth.bytes;
  }
}
