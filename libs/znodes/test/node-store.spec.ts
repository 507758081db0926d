import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readInt32, writeInt32 } from '@aviary/foundation';
import { STAT_BYTES, StatOffset, stat } from '@aviary/protocol';
import { decode } from '@aviary/jute';
import { NO_NODE, NodeKind, Word } from '../src/node-record.js';
import { NodeStore, ROOT } from '../src/node-store.js';

const encoder = new TextEncoder();
const SEED = 7;

function find(store: NodeStore, path: string): number {
  const bytes = encoder.encode(path);
  return store.find(bytes, 0, bytes.length);
}

function insert(store: NodeStore, path: string, data: Uint8Array | null = null): number {
  const bytes = encoder.encode(path);
  const hash = store.hash(bytes, 0, bytes.length);
  const content = data ?? new Uint8Array(0);
  return store.insert(hash, bytes, 0, bytes.length, content, 0, data === null ? -1 : data.length);
}

function insertBelow(store: NodeStore, parent: number, path: string): number {
  const node = insert(store, path);
  store.link(parent, node);
  return node;
}

function setData(store: NodeStore, node: number, data: Uint8Array | null): void {
  store.setData(node, data ?? new Uint8Array(0), 0, data === null ? -1 : data.length);
}

function dataOf(store: NodeStore, node: number): Uint8Array | null {
  store.select(node);
  const length = readInt32(store.bytes, store.valueAt);
  if (length < 0) return null;
  return store.bytes.slice(store.valueAt + 4, store.valueAt + 4 + length);
}

function statOf(store: NodeStore, node: number): ReturnType<typeof stat.read> {
  store.select(node);
  return decode(stat, store.bytes.slice(store.statAt, store.statAt + STAT_BYTES));
}

function childrenOf(store: NodeStore, parent: number): string[] {
  const names: string[] = [];
  let child = store.firstChildOf(parent);
  for (; child !== NO_NODE; child = store.nextSiblingOf(child)) names.push(store.pathOf(child));
  return names;
}

/** Much cheaper than `toEqual` where there are many bytes. */
function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}

/** Bytes that say how many they are. */
function bytesOf(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 31 + length) & 0xff);
}

describe('a fresh store', () => {
  it('holds the root, with empty data and a Stat of zeros', () => {
    const store = new NodeStore(SEED);
    expect([store.size, store.numberLimit, store.contentBytes]).toEqual([1, 1, 1]);
    expect([find(store, '/'), store.pathOf(ROOT)]).toEqual([ROOT, '/']);
    expect(dataOf(store, ROOT)).toEqual(new Uint8Array(0));
    expect(Object.values(statOf(store, ROOT)).map(Number)).toEqual(new Array(11).fill(0));
  });

  it('knows nothing else', () => {
    const store = new NodeStore(SEED);
    expect(['', '//', 'a', '/a', '/ '].map((path) => find(store, path))).toEqual(
      new Array(5).fill(NO_NODE),
    );
  });
});

describe('the parent of a path', () => {
  it.each([
    ['/a', 'the root'],
    ['/a/b', '/a'],
    ['/a/b/c', null],
    ['/x/y', null],
    ['/', null],
    ['', null],
    ['a', null],
    ['a/b', null],
  ])('%s is %s', (path, parent) => {
    const store = new NodeStore(SEED);
    const a = insertBelow(store, ROOT, '/a');
    const bytes = encoder.encode(`##${path}`);
    const found = store.findParent(bytes, 2, bytes.length);
    const expected = { 'the root': ROOT, '/a': a }[parent ?? ''] ?? NO_NODE;
    expect(found).toBe(expected);
  });
});

describe('data', () => {
  it('of null and of no bytes are different, and turn into one another', () => {
    const store = new NodeStore(SEED);
    const node = insert(store, '/n');
    expect([dataOf(store, node), store.dataBytes]).toEqual([null, 0]);
    setData(store, node, new Uint8Array(0));
    expect(dataOf(store, node)).toEqual(new Uint8Array(0));
    setData(store, node, null);
    expect(dataOf(store, node)).toBeNull();
    expect(statOf(store, node).dataLength).toBe(0);
  });

  // 32 bytes of header, 2 of path, 4 of length, 68 of Stat: 106, so 6 more fit in the block.
  it.each([
    ['in its place', 6, 1],
    ['in its place', 1, 6],
    ['to a larger block', 6, 7],
    ['to a smaller block', 7, 6],
    ['to a slab of its own', 10, 1_000_000],
    ['from a slab of its own', 1_000_000, 10],
    ['from one slab of its own to another', 1_000_000, 2_000_000],
  ])('goes %s, from %i to %i bytes, and Stat and links go along', (_how, before, after) => {
    const store = new NodeStore(SEED);
    const node = insert(store, '/n', bytesOf(before));
    store.link(ROOT, node);
    const child = insertBelow(store, node, '/n/c');
    const neighbour = insert(store, '/o', bytesOf(50));
    store.select(node);
    for (let i = 0; i < STAT_BYTES; i++) store.bytes[store.statAt + i] = i;
    store.setWord(Word.acl, 12_345);
    store.setKind(NodeKind.container);

    setData(store, node, bytesOf(after));

    expect(isSame(dataOf(store, node), bytesOf(after))).toBe(true);
    const { bytes, statAt } = store;
    expect(readInt32(bytes, statAt + StatOffset.dataLength)).toBe(after);
    const others = [...bytes.slice(statAt, statAt + STAT_BYTES)].filter((_, i) => i < 52 || i > 55);
    expect(others).toEqual([...Array(STAT_BYTES).keys()].filter((i) => i < 52 || i > 55));
    expect([store.word(Word.acl), store.kind]).toEqual([12_345, NodeKind.container]);
    expect([find(store, '/n'), store.pathOf(node)]).toEqual([node, '/n']);
    expect([childrenOf(store, ROOT), childrenOf(store, node)]).toEqual([['/n'], ['/n/c']]);
    expect([find(store, '/n/c'), dataOf(store, neighbour)]).toEqual([child, bytesOf(50)]);
  });

  it('makes a cached digest worthless', () => {
    const store = new NodeStore(SEED);
    const node = insert(store, '/n');
    const isKnown = () => (store.word(Word.pathAndFlags) & (1 << 26)) !== 0;
    store.setDigest(0xffff_ffff);
    expect([isKnown(), store.word(Word.digest)]).toEqual([true, -1]);
    setData(store, node, null);
    expect(isKnown()).toBe(false);
    expect(store.pathOf(node)).toBe('/n');
  });
});

describe('children', () => {
  it('are linked and counted, and cversion counts who came and who went', () => {
    const store = new NodeStore(SEED);
    const nodes = ['/a', '/b', '/c', '/d'].map((path, i) => {
      const node = insertBelow(store, ROOT, path);
      store.select(ROOT);
      store.setChildrenCreated(i + 1);
      return node;
    });
    expect(childrenOf(store, ROOT)).toEqual(['/d', '/c', '/b', '/a']);
    expect(statOf(store, ROOT)).toMatchObject({ numChildren: 4, cversion: 4 });
    const rest = () => childrenOf(store, ROOT).join(' ');
    store.remove(nodes[1]!); // in the middle
    expect(rest()).toBe('/d /c /a');
    store.remove(nodes[3]!); // first
    expect(rest()).toBe('/c /a');
    store.remove(nodes[0]!); // last
    expect(rest()).toBe('/c');
    store.remove(nodes[2]!); // alone
    expect(rest()).toBe('');
    expect(statOf(store, ROOT)).toMatchObject({ numChildren: 0, cversion: 8 });
  });

  it('created beyond 2^31 keep cversion in step', () => {
    const store = new NodeStore(SEED);
    insertBelow(store, ROOT, '/a');
    store.select(ROOT);
    store.setChildrenCreated(2 ** 31 + 5);
    expect(store.word(Word.childrenCreated) >>> 0).toBe(2 ** 31 + 5);
    expect(statOf(store, ROOT).cversion).toBe(9);
  });
});

describe('numbers of nodes', () => {
  it('are used again, the latest first', () => {
    const store = new NodeStore(SEED);
    const nodes = ['/a', '/b', '/c'].map((path) => insertBelow(store, ROOT, path));
    store.remove(nodes[0]!);
    store.remove(nodes[2]!);
    const free: number[] = [];
    store.forEachFreeNumber((node) => free.push(node));
    expect(free).toEqual([nodes[2], nodes[0]]);
    expect([insert(store, '/d'), insert(store, '/e'), insert(store, '/f')]).toEqual([
      nodes[2],
      nodes[0],
      4,
    ]);
    expect(store.numberLimit).toBe(5);
  });

  it('go on beyond the room that there was first', () => {
    const store = new NodeStore(SEED);
    for (let i = 0; i < 5000; i++) insertBelow(store, ROOT, `/${i}`);
    expect([store.size, find(store, '/0'), find(store, '/4999')]).toEqual([5001, 1, 5000]);
    expect(childrenOf(store, ROOT)).toHaveLength(5000);
  });
});

describe('an observer', () => {
  it('hears of a node and its parent before they change', () => {
    const store = new NodeStore(SEED);
    const heard: string[] = [];
    const node = insertBelow(store, ROOT, '/a');
    store.observer = {
      beforeChange: (each) => heard.push(`before ${store.pathOf(each)}`),
    };
    insertBelow(store, node, '/a/b');
    setData(store, node, bytesOf(3));
    store.remove(find(store, '/a/b'));
    expect(heard).toEqual(['before /a', 'before /a', 'before /a/b', 'before /a']);
  });
});

interface PlainNode {
  data: Uint8Array | null;
  readonly mark: number;
  readonly parent: string;
  readonly children: Set<string>;
}

/** A store beside a Map of plain objects. */
class CheckedStore {
  private readonly store = new NodeStore(SEED);
  private readonly plain = new Map<string, PlainNode>([
    ['/', { data: new Uint8Array(0), mark: 0, parent: '', children: new Set() }],
  ]);
  private made = 0;

  insert(choice: number, name: string, length: number): void {
    const parent = this.pick(choice);
    const path = parent === '/' ? `/${name}` : `${parent}/${name}`;
    if (this.plain.has(path)) return;
    const data = length < 0 ? null : bytesOf(length);
    const mark = ++this.made;
    const node = insert(this.store, path, data);
    writeInt32(this.store.bytes, this.store.statAt, mark);
    this.store.link(find(this.store, parent), node);
    this.plain.set(path, { data, mark, parent, children: new Set() });
    this.plain.get(parent)?.children.add(path);
  }

  remove(choice: number): void {
    const path = this.pick(choice);
    const node = this.plain.get(path)!;
    if (path === '/' || node.children.size > 0) return;
    this.store.remove(find(this.store, path));
    this.plain.get(node.parent)?.children.delete(path);
    this.plain.delete(path);
  }

  setData(choice: number, length: number): void {
    const path = this.pick(choice);
    const data = length < 0 ? null : bytesOf(length);
    setData(this.store, find(this.store, path), data);
    this.plain.get(path)!.data = data;
  }

  check(): void {
    const { store, plain } = this;
    let content = 0;
    for (const [path, { data, mark, children }] of plain) {
      const node = find(store, path);
      expect([path, store.pathOf(node)]).toEqual([path, path]);
      expect(isSame(dataOf(store, node), data)).toBe(true);
      const { czxid, dataLength, numChildren } = statOf(store, node);
      expect([czxid, dataLength, numChildren]).toEqual([
        BigInt(mark) << 32n,
        data?.length ?? 0,
        children.size,
      ]);
      expect(childrenOf(store, node).sort()).toEqual([...children].sort());
      content += encoder.encode(path).length + (data?.length ?? 0);
    }
    expect([store.size, store.contentBytes]).toEqual([plain.size, content]);
  }

  private pick(choice: number): string {
    return [...this.plain.keys()][choice % this.plain.size]!;
  }
}

describe('a store beside a Map', () => {
  it('always holds the same', () => {
    const length = fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: -1, max: 40 }) },
      { weight: 2, arbitrary: fc.integer({ min: 900, max: 3000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 200_000, max: 400_000 }) },
    );
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'é', 'a-longer-name');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant('insert' as const), fc.nat(), name, length) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('remove' as const), fc.nat()) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('setData' as const), fc.nat(), length) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const checked = new CheckedStore();
        for (const each of steps) {
          if (each[0] === 'insert') checked.insert(each[1], each[2], each[3]);
          else if (each[0] === 'remove') checked.remove(each[1]);
          else checked.setData(each[1], each[2]);
        }
        checked.check();
      }),
      { seed: 20_261_124, numRuns: 60 },
    );
  });
});
