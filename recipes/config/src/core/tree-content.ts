import {
  NoNodeError,
  type CallOptions,
  type NodeData,
  type Transaction,
  type TransactionResult,
} from '@aviary/client';
import { childPath } from '@aviary/foundation';
import { rejection } from './config-errors.js';
import type { Content, Draft, Site } from './content.js';
import { parseBytes } from './document.js';
import { lastChange, type PropertyNodes } from './properties.js';

/** More changes than these are in any case longer than a transaction can be. */
const NODES_MAX = 30_000;
/** How many nodes are read at the same time. */
const READS_MAX = 32;

/** Reads what the history keeps of a tree. @throws {DocumentError} */
export function parseRecord(record: Buffer): unknown {
  return parseBytes(record, 'json', Infinity);
}

/** A node that stands in the place of the tree, or of a part of it. */
interface FoundNode extends NodeData {
  readonly isLeaf: boolean;
}

/** By their paths below the root, which itself is ''; parents before their children. */
type FoundNodes = ReadonlyMap<string, FoundNode>;

/**
 * A tree of properties, each a node. All that stands below its root gives way to it; what says the
 * same already is only checked.
 *
 * The root is written to in every publication, with what it has. So nobody publishes over what he has not
 * seen, and the zxid of the transaction is that of the tree, whichever nodes came or went.
 */
export class TreeContent implements Content {
  readonly isTree = true;
  readonly advice =
    'each property is a change of its own, and so is each that is to go: publish parts of it at paths of ' +
    'their own and let them be read as layers, or publish it as the data of one node, as json';
  readonly record: Buffer;
  private readonly site: Site;
  private readonly leaves: ReadonlyMap<string, Buffer>;
  /** The nodes above the leaves, parents before their children. */
  private readonly groups = new Set<string>();

  constructor(site: Site, { leaves, document }: PropertyNodes) {
    this.site = site;
    this.leaves = leaves;
    this.record = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
    for (const below of leaves.keys()) {
      const names = below.split('/').slice(0, -1);
      names.forEach((_name, at) => this.groups.add(names.slice(0, at + 1).join('/')));
    }
  }

  async draft(options: () => CallOptions): Promise<Draft> {
    const nodes = await this.read(options);
    const root = nodes.get('');
    const zxid = lastChange(Array.from(nodes.values(), ({ stat }) => stat));
    return {
      current: root === undefined ? null : { number: null, zxid },
      counter: root?.stat.version ?? null,
      addTo: (transaction) => this.replace(nodes, transaction),
    };
  }

  private replace(nodes: FoundNodes, transaction: Transaction<TransactionResult[]>): void {
    const { path, acl } = this.site;
    const root = nodes.get('');
    if (root === undefined) transaction.create(path, undefined, { acl });
    for (const [below, { stat }] of [...nodes].reverse()) {
      if (below === '' || this.leaves.has(below) || this.groups.has(below)) continue;
      transaction.delete(this.at(below), { version: stat.version });
    }
    for (const below of this.groups) {
      const node = nodes.get(below);
      if (node === undefined) transaction.create(this.at(below), undefined, { acl });
      // A property that has some inside from now on says nothing any more, to whoever reads.
      else if (node.isLeaf && node.data?.length)
        transaction.set(this.at(below), '', { version: node.stat.version });
    }
    for (const [below, data] of this.leaves) {
      const node = nodes.get(below);
      const condition = { version: node?.stat.version };
      if (node === undefined) transaction.create(this.at(below), data, { acl });
      else if (node.data?.equals(data) === true) transaction.check(this.at(below), condition);
      else transaction.set(this.at(below), data, condition);
    }
    transaction.set(path, root === undefined ? '' : root.data, {
      version: root?.stat.version ?? 0,
    });
  }

  /** What is read need not be of one moment: the transaction is refused unless all is still so. */
  private async read(options: () => CallOptions): Promise<FoundNodes> {
    const nodes = new Map<string, FoundNode>();
    const waiting = [''];
    while (waiting.length > 0) {
      const batch = waiting.splice(0, READS_MAX);
      const found = await Promise.all(batch.map((below) => this.readNode(below, options())));
      for (const [at, below] of batch.entries()) {
        const one = found[at] ?? null;
        if (one === null) continue;
        nodes.set(below, { ...one.node, isLeaf: one.names.length === 0 });
        waiting.push(...one.names.map((name) => (below === '' ? name : `${below}/${name}`)));
      }
      if (nodes.size + waiting.length > NODES_MAX) throw this.tooLong();
    }
    return nodes;
  }

  private async readNode(below: string, options: CallOptions) {
    const { zk } = this.site;
    const path = this.at(below);
    try {
      const reads = [zk.get(path, options), zk.children(path, options)] as const;
      const [node, { children: names }] = await Promise.all(reads);
      return { node, names };
    } catch (error) {
      // Somebody has just deleted it.
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }

  private tooLong(): Error {
    const { path } = this.site;
    const problem = `more than ${NODES_MAX} nodes are there already`;
    return rejection(path, 'publish', `${problem}, all in one transaction: ${this.advice}`);
  }

  private at(below: string): string {
    const { path } = this.site;
    return below === '' ? path : childPath(path, below);
  }
}
