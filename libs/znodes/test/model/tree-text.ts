import { expect } from '@jest/globals';
import { readInt32 } from '@aviary/foundation';
import { JuteReader, decode } from '@aviary/jute';
import { STAT_BYTES, stat, type Acl, type Stat } from '@aviary/protocol';
import type { DataTree } from '../../src/data-tree.js';
import { NO_NODE, NodeKind, Word } from '../../src/node-record.js';
import { ROOT } from '../../src/node-store.js';
import type { NaiveResult, NaiveTree } from './naive-tree.js';

/** A tree as lines of text: what is compared, and what a failing comparison shows. */

/** As `expect(...).toBe(...)` of both as text, for what is compared ten thousand times. */
export function expectEqual(what: string, is: unknown, should: unknown): void {
  const texts = [is, should].map((each) =>
    Array.isArray(each) ? each.map(String).join('\n') : String(each),
  );
  if (texts[0] !== texts[1]) expect(`${what}\n${texts[0]}`).toBe(`${what}\n${texts[1]}`);
}

interface NodeView {
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly acl: readonly Acl[];
  readonly stat: Stat;
  readonly kind: string;
  readonly ttlMs: number;
  readonly created: number;
  readonly children: readonly string[];
}

export function statText(value: Stat): string {
  return Object.entries(value)
    .map(([name, each]) => `${name}=${each}`)
    .join(' ');
}

export function resultText(result: NaiveResult): string {
  if ('error' in result) return `error ${result.error}`;
  const parts = [String(result.type)];
  if (result.path !== undefined) parts.push(result.path);
  if (result.stat !== undefined) parts.push(statText(result.stat));
  return parts.join(' ');
}

function lineOf(node: NodeView): string {
  const { path, data, acl, kind, ttlMs, created, children } = node;
  const list = acl.map(({ perms, id }) => `${perms}:${id.scheme}:${id.id}`).join(',');
  const content = data === null ? 'null' : `"${Buffer.from(data).toString('latin1')}"`;
  const life = kind === 'ttl' ? `ttl ${ttlMs}` : kind;
  const names = [...children].sort().join(' ');
  return `${path} ${content} ${life} acl=${list} created=${created} [${names}] ${statText(node.stat)}`;
}

function sessionLines(sessions: [bigint, number][]): string[] {
  return sessions.map(([id, timeoutMs]) => `session ${id} of ${timeoutMs} ms`).sort();
}

/** The lines of a naive tree. */
export function naiveText(tree: NaiveTree): string {
  const lines: string[] = [];
  for (const [path, node] of tree.nodes) {
    const { data, acl, kind, ttlMs, created, children } = node;
    const view = { path, data, acl, kind, ttlMs, created, children: [...children] };
    lines.push(lineOf({ ...view, stat: tree.stat(path) }));
  }
  return [...lines.sort(), ...sessionLines([...tree.sessions])].join('\n');
}

const KIND_NAMES = new Map<number, string>(
  Object.entries(NodeKind).map(([name, kind]) => [kind, name]),
);

/** The Stat of a node as a client would be sent it. */
export function statOf(tree: DataTree, node: number): Stat {
  const { nodes } = tree;
  nodes.select(node);
  return decode(stat, nodes.bytes.slice(nodes.statAt, nodes.statAt + STAT_BYTES));
}

/** The data of a node as a client would be sent it. */
export function dataOf(tree: DataTree, node: number): Uint8Array | null {
  const { nodes } = tree;
  nodes.select(node);
  return new JuteReader(nodes.bytes, nodes.valueAt).buffer();
}

function viewOf(tree: DataTree, node: number): NodeView {
  const { nodes } = tree;
  const children: string[] = [];
  let child = nodes.firstChildOf(node);
  for (; child !== NO_NODE; child = nodes.nextSiblingOf(child)) children.push(nodes.pathOf(child));
  nodes.select(node);
  return {
    path: nodes.pathOf(node),
    data: dataOf(tree, node),
    acl: tree.acls.get(nodes.word(Word.acl)).acls,
    stat: statOf(tree, node),
    kind: KIND_NAMES.get(nodes.kind)!,
    ttlMs: tree.ttls.get(node) ?? 0,
    created: nodes.word(Word.childrenCreated) >>> 0,
    children,
  };
}

/** The lines of a packed tree. */
export function treeText(tree: DataTree): string {
  const found: number[] = [];
  tree.forEachInSubtree(ROOT, (node) => found.push(node));
  const sessions: [bigint, number][] = [];
  tree.sessions.forEach((timeoutMs, high, low) => {
    sessions.push([(BigInt(high) << 32n) | BigInt(low >>> 0), timeoutMs]);
  });
  const lines = found.map((node) => lineOf(viewOf(tree, node)));
  return [...lines.sort(), ...sessionLines(sessions)].join('\n');
}

/** What is wrong with the books that a tree keeps over its nodes; empty: nothing. */
export function bookkeepingFaults(tree: DataTree): string[] {
  const { nodes } = tree;
  const faults: string[] = [];
  const demand = (what: string, is: unknown, should: unknown) => {
    if (is !== should) faults.push(`${what}: ${String(is)}, should be ${String(should)}`);
  };
  const references = new Map<number, number>();
  const byKind = [0, 0, 0, 0];
  let contentBytes = 0;
  tree.forEachInSubtree(ROOT, (node) => {
    nodes.select(node);
    const acl = nodes.word(Word.acl);
    references.set(acl, (references.get(acl) ?? 0) + 1);
    byKind[nodes.kind]!++;
    contentBytes += nodes.pathLength + nodes.dataBytes;
    if (nodes.kind === NodeKind.ephemeral) {
      const owned = tree.ephemerals.get(
        readInt32(nodes.bytes, nodes.statAt + 44),
        readInt32(nodes.bytes, nodes.statAt + 48),
      );
      demand(`${nodes.pathOf(node)} is known to its session`, owned?.has(node), true);
    }
  });
  let owned = 0;
  tree.ephemerals.forEach((each) => (owned += each.size));
  demand('ephemerals', owned, byKind[NodeKind.ephemeral]);
  demand('count of ephemerals', tree.ephemeralCount, byKind[NodeKind.ephemeral]);
  demand('containers', tree.containers.size, byKind[NodeKind.container]);
  demand('TTL nodes', tree.ttls.size, byKind[NodeKind.ttl]);
  demand('bytes of content', nodes.contentBytes, contentBytes);
  demand('lists nobody brought', tree.acls.unknownReferences, 0);
  for (const { number, references: counted } of tree.acls.entries()) {
    demand(`references of list ${number}`, counted, references.get(number));
    references.delete(number);
  }
  references.delete(-1);
  demand('lists that are used and not there', references.size, 0);
  return faults;
}
