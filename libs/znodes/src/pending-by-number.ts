import type { PendingNode } from './pending-node.js';

const INITIAL_NODES = 1024;

/**
 * Pending nodes by the number of the node in the tree: a table with a word for every number up to
 * the greatest that was asked for. Every write looks here, enters here and leaves again, which a
 * hash map makes several times as dear.
 */
export class PendingByNumber {
  /** By node: one more than its place in `nodes`; 0: not in the table. */
  private places = new Uint32Array(INITIAL_NODES);
  private readonly nodes: PendingNode[] = [];

  get size(): number {
    return this.nodes.length;
  }

  get(node: number): PendingNode | undefined {
    const place = node < this.places.length ? this.places[node] : 0;
    return place === 0 ? undefined : this.nodes[place - 1];
  }

  /** Enters `pending`, whose number is not in the table. */
  add(pending: PendingNode): void {
    const { node } = pending;
    if (node >= this.places.length) this.grow(node);
    this.nodes.push(pending);
    this.places[node] = this.nodes.length;
  }

  /** Takes out `pending`, which is in the table under its number; the last takes its place. */
  remove(pending: PendingNode): void {
    const { nodes, places } = this;
    const place = places[pending.node];
    const last = nodes.pop();
    if (last !== undefined && last !== pending) {
      nodes[place - 1] = last;
      places[last.node] = place;
    }
    places[pending.node] = 0;
  }

  clear(): void {
    for (const { node } of this.nodes) this.places[node] = 0;
    this.nodes.length = 0;
  }

  forEach(visit: (pending: PendingNode) => void): void {
    this.nodes.forEach(visit);
  }

  private grow(node: number): void {
    const grown = new Uint32Array(Math.max(this.places.length * 2, node + 1));
    grown.set(this.places);
    this.places = grown;
  }
}
