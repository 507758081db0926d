import { JuteWriter } from '@aviary/jute';
import { Word, NO_NODE } from '../../src/node-record.js';
import type { DataTree } from '../../src/data-tree.js';
import { applierFor } from './packed-world.js';
import { dataOf, statOf } from './tree-text.js';

function writeSessions(tree: DataTree, out: JuteWriter): void {
  out.int(tree.sessions.size);
  tree.sessions.forEach((timeoutMs, high, low) => {
    out.int(high);
    out.int(low);
    out.int(timeoutMs);
  });
}

function writeAcls(tree: DataTree, out: JuteWriter): void {
  const entries = [...tree.acls.entries()];
  out.int(entries.length);
  for (const { number, bytes } of entries) {
    out.long(BigInt(number));
    out.raw(bytes);
  }
}

function writeNode(tree: DataTree, node: number, out: JuteWriter): void {
  const { nodes } = tree;
  const path = nodes.pathOf(node);
  const stat = statOf(tree, node);
  const owner = new Uint8Array(8);
  out.ustring(path === '/' ? '' : path);
  out.buffer(dataOf(tree, node));
  nodes.select(node);
  out.long(BigInt(nodes.word(Word.acl)));
  for (const value of [stat.czxid, stat.mzxid, stat.ctime, stat.mtime]) out.long(value);
  out.int(stat.version);
  out.int(nodes.word(Word.childrenCreated));
  out.int(stat.aversion);
  tree.writeStoredOwner(node, owner, 0);
  out.raw(owner);
  out.long(stat.pzxid);
}

function childrenOf(tree: DataTree, path: string): string[] {
  const { nodes } = tree;
  const paths: string[] = [];
  const node = tree.findText(path);
  let child = node === NO_NODE ? NO_NODE : nodes.firstChildOf(node);
  for (; child !== NO_NODE; child = nodes.nextSiblingOf(child)) paths.push(nodes.pathOf(child));
  return paths;
}

/**
 * The body of a snapshot as fuzzy as any may be: sessions and lists first, then every node as it is
 * found on a walk from the root, while transactions go on being applied.
 *
 * @param from How many transactions of `log` the tree has seen when the snapshot begins.
 * @param chance How many more it sees before each node, and before its children are listed.
 */
export function fuzzySnapshot(
  log: readonly Uint8Array[],
  from: number,
  chance: readonly number[],
): Uint8Array {
  const { tree, applier } = applierFor();
  let applied = 0;
  const applyUpTo = (count: number) => {
    for (; applied < Math.min(count, log.length); applied++) {
      const bytes = log[applied]!;
      applier.apply(bytes, 0, bytes.length, 'verify');
    }
  };
  applyUpTo(from);
  const out = new JuteWriter();
  writeSessions(tree, out);
  writeAcls(tree, out);
  let step = 0;
  const applySome = () => applyUpTo(applied + chance[step++ % chance.length]!);
  const waiting = ['/'];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    applySome();
    const node = tree.findText(path);
    if (node === NO_NODE) continue;
    writeNode(tree, node, out);
    // A child may so come into the snapshot of which its parent there knows nothing.
    applySome();
    waiting.push(...childrenOf(tree, path));
  }
  out.ustring('/');
  return out.take();
}
