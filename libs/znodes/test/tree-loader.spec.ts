import { describe, expect, it } from '@jest/globals';
import { JuteError, JuteWriter, vector } from '@aviary/jute';
import { CREATOR_ALL_ACL, OPEN_ACL, READ_ACL, acl, type Acl } from '@aviary/protocol';
import type { DataTree } from '../src/data-tree.js';
import { TreeLoader } from '../src/tree-loader.js';
import { emptyTree } from './model/packed-world.js';
import { bookkeepingFaults, dataOf, statOf } from './model/tree-text.js';

const CONTAINER = -(1n << 63n);
const TTL_OF_ONE_SECOND = BigInt.asIntN(64, 0xff00_0000_0000_03e8n);

interface Node {
  readonly path: string;
  readonly data?: Uint8Array | null;
  readonly acl?: bigint;
  readonly zxid?: bigint;
  readonly childrenCreated?: number;
  readonly owner?: bigint;
}

function writeNode(out: JuteWriter, node: Node): void {
  const { path, data = Buffer.from(path), acl: list = -1n, zxid = 5n, owner = 0n } = node;
  out.ustring(path);
  out.buffer(data);
  for (const value of [list, zxid, zxid + 1n, 1_000n, 2_000n]) out.long(value);
  for (const value of [3, node.childrenCreated ?? 0, 4]) out.int(value);
  out.long(owner);
  out.long(zxid + 2n);
}

interface Body {
  readonly sessions?: readonly [bigint, number][];
  readonly lists?: readonly [bigint, readonly Acl[]][];
  readonly nodes?: readonly Node[];
}

function bodyOf({ sessions = [], lists = [], nodes = [{ path: '' }] }: Body): Uint8Array {
  const out = new JuteWriter();
  out.int(sessions.length);
  for (const [id, timeoutMs] of sessions) {
    out.long(id);
    out.int(timeoutMs);
  }
  out.int(lists.length);
  for (const [number, list] of lists) {
    out.long(number);
    vector(acl).write(out, list);
  }
  for (const node of nodes) writeNode(out, node);
  out.ustring('/');
  return out.take();
}

function loadBytes(bytes: Uint8Array, extendedTypesEnabled = true): DataTree {
  const tree = emptyTree();
  const loader = new TreeLoader(tree, extendedTypesEnabled);
  expect([loader.consume(bytes, 0, bytes.length), loader.isDone]).toEqual([bytes.length, true]);
  return tree;
}

function load(body: Body, extendedTypesEnabled = true): DataTree {
  const tree = loadBytes(bodyOf(body), extendedTypesEnabled);
  expect(bookkeepingFaults(tree)).toEqual([]);
  return tree;
}

const whole: Body = {
  sessions: [[-7n, 30_000]],
  lists: [[9n, READ_ACL]],
  nodes: [
    { path: '', childrenCreated: 2, data: null },
    { path: '/a', acl: 9n, childrenCreated: 1 },
    { path: '/a/b', owner: -7n, data: null },
    { path: '/é', data: new Uint8Array(0) },
  ],
};

describe('the body of a snapshot', () => {
  it('becomes a tree: data, lists, sessions, Stats as clients see them', () => {
    const tree = load(whole);
    const a = tree.findText('/a');
    expect(tree.nodes.size).toBe(4);
    expect(tree.sessions.get(-1, -7)).toBe(30_000);
    expect(tree.aclOf(a)).toMatchObject({ number: 9, acls: READ_ACL });
    expect(statOf(tree, a)).toEqual({
      czxid: 5n,
      mzxid: 6n,
      ctime: 1_000n,
      mtime: 2_000n,
      version: 3,
      cversion: 1,
      aversion: 4,
      ephemeralOwner: 0n,
      dataLength: 2,
      numChildren: 1,
      pzxid: 7n,
    });
    expect(statOf(tree, tree.findText('/a/b')).ephemeralOwner).toBe(-7n);
    const data = ['/', '/a/b', '/é'].map((path) => dataOf(tree, tree.findText(path)));
    expect(data).toEqual([null, null, new Uint8Array(0)]);
  });

  it('may come in pieces that end anywhere', () => {
    const bytes = bodyOf(whole);
    for (let cut = 0; cut < bytes.length; cut++) {
      const tree = emptyTree();
      const loader = new TreeLoader(tree, true);
      const taken = loader.consume(bytes, 0, cut);
      expect([taken <= cut, loader.isDone]).toEqual([true, false]);
      // What was not taken comes again, somewhere else in memory.
      const rest = Buffer.concat([Buffer.alloc(3), bytes.subarray(taken), Buffer.alloc(5)]);
      expect(loader.consume(rest, 3, rest.length)).toBe(rest.length - 5);
      expect([loader.isDone, tree.nodes.size]).toEqual([true, 4]);
    }
  });

  it('may have a node twice: the later one counts, whatever its kind', () => {
    const kinds = [0n, 7n, CONTAINER, TTL_OF_ONE_SECOND];
    for (const first of kinds) {
      for (const second of kinds) {
        const tree = load({
          lists: [
            [1n, READ_ACL],
            [2n, OPEN_ACL],
          ],
          nodes: [
            { path: '' },
            { path: '/a', owner: first, acl: 1n, data: null },
            { path: '/a', owner: second, acl: 2n, zxid: 50n },
          ],
        });
        const expected = load({
          lists: [[2n, OPEN_ACL]],
          nodes: [{ path: '' }, { path: '/a', owner: second, acl: 2n, zxid: 50n }],
        });
        const a = tree.findText('/a');
        expect(statOf(tree, a)).toEqual(statOf(expected, expected.findText('/a')));
        expect(dataOf(tree, a)).toEqual(Buffer.from('/a'));
        expect([tree.containers.size, tree.ttls.get(a), tree.ephemeralCount]).toEqual([
          expected.containers.size,
          expected.ttls.get(expected.findText('/a')),
          expected.ephemeralCount,
        ]);
      }
    }
  });

  it('has times to live only where they are switched on', () => {
    const body = { nodes: [{ path: '' }, { path: '/a', owner: TTL_OF_ONE_SECOND }] };
    const on = load(body, true);
    expect([...on.ttls.values()]).toEqual([1_000]);
    expect(statOf(on, on.findText('/a')).ephemeralOwner).toBe(0n);
    const off = load(body, false);
    expect([off.ttls.size, off.ephemeralCount]).toEqual([0, 1]);
    expect(statOf(off, off.findText('/a')).ephemeralOwner).toBe(TTL_OF_ONE_SECOND);
  });

  it('may name a list that came too late to be written, which no other list is taken for', () => {
    const tree = loadBytes(bodyOf({ nodes: [{ path: '' }, { path: '/a', acl: 5n }] }));
    expect(tree.acls.unknownReferences).toBe(1);
    expect(() => tree.aclOf(tree.findText('/a'))).toThrow('access control list 5');
    expect(tree.acls.intern(READ_ACL).number).toBe(6);
  });

  it('may number its lists as it likes: none is taken for one of a fresh tree', () => {
    const tree = load({
      lists: [[1n, CREATOR_ALL_ACL]],
      nodes: [{ path: '' }, { path: '/a', acl: 1n }],
    });
    expect(tree.acls.intern(CREATOR_ALL_ACL).number).toBe(1);
    const other = tree.acls.intern(READ_ACL);
    expect(other.number).toBe(2);
    expect(tree.acls.get(2).acls).toEqual(READ_ACL);
  });

  it.each<[string, Uint8Array]>([
    ['a negative count of sessions', Uint8Array.of(255, 255, 255, 255)],
    ['a negative count of lists', Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255)],
    ['a list that is never stored', bodyOf({ lists: [[-1n, OPEN_ACL]] })],
    [
      'a list twice',
      bodyOf({
        lists: [
          [1n, OPEN_ACL],
          [1n, READ_ACL],
        ],
      }),
    ],
    ['a list without a number', bodyOf({ lists: [[0n, OPEN_ACL]] })],
    ['a list with too large a number', bodyOf({ lists: [[1n << 31n, OPEN_ACL]] })],
    ['a node before its parent', bodyOf({ nodes: [{ path: '' }, { path: '/a/b' }] })],
    ['a path without a slash', bodyOf({ nodes: [{ path: '' }, { path: 'a' }] })],
    ['a path that ends in a slash', bodyOf({ nodes: [{ path: '' }, { path: '/a/' }] })],
    ['a node without a path', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255)],
    [
      'negative data',
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2f ^ 1, 255, 255, 255, 254),
    ],
  ])('with %s is refused', (_what, bytes) => {
    expect(() => new TreeLoader(emptyTree(), true).consume(bytes, 0, bytes.length)).toThrow(
      JuteError,
    );
  });

  it.each(['czxid', 'pzxid'])('with a %s out of range is refused', () => {
    const bytes = bodyOf({ nodes: [{ path: '' }, { path: '/a', zxid: 1n << 62n }] });
    expect(() => loadBytes(bytes)).toThrow(/epoch/);
  });
});
