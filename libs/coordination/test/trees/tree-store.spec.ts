import { describe, expect, it } from '@jest/globals';
import { childPath, nodeName, parentPath } from '@aviary/foundation';
import type { NodeEvent, Stat } from '@aviary/client';
import fc from 'fast-check';
import type { TreeNode } from '../../src/trees/tree-snapshot.js';
import { TreeStore, type NodeRead } from '../../src/trees/tree-store.js';
import type { Want } from '../../src/trees/want.js';

const UNLIMITED = { depthMax: Infinity, nodesMax: Infinity, bytesMax: Infinity };
const NAMES = ['a', 'b', 'c'];
const RUNS = Number(process.env.STORE_RUNS ?? 1_500);

interface Znode {
  readonly data: string;
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
}
type Znodes = ReadonlyMap<string, Znode>;

/** What comes over the connection, with what the server's tree is like at that point of it. */
type Item = { readonly after: Znodes | null } & (
  | { readonly event: NodeEvent }
  | { readonly batch: readonly Want[]; readonly reads: readonly NodeRead[] }
);

/** A server with one connection, and a store behind it that hears answers later than events. */
class Wire {
  readonly store = new TreeStore('/r', UNLIMITED);
  private znodes: Znodes = new Map();
  private zxid = 0n;
  private stream: Item[] = [];
  private answers: (Item & { batch: readonly Want[] })[] = [];
  /** The server's tree as of the newest thing that arrived; null: in the middle of a transaction. */
  private arrived: Znodes | null = new Map();
  private isConnected = true;

  constructor(private readonly saysZxids: boolean) {
    this.reset();
  }

  /** Applies writes in one transaction: toggles a node, or writes to it. */
  write(steps: readonly { readonly path: string; readonly toggles: boolean }[]): void {
    const zxid = ++this.zxid;
    const znodes = new Map(this.znodes);
    const events: NodeEvent[] = [];
    const said = this.saysZxids ? zxid : null;
    for (const { path, toggles } of steps) {
      const kind = change(znodes, path, toggles, zxid);
      if (kind !== null) events.push({ kind, path, zxid: said });
    }
    this.znodes = znodes;
    if (!this.isConnected) return;
    for (const [at, event] of events.entries()) {
      this.stream.push({ event, after: at === events.length - 1 ? znodes : null });
    }
  }

  /** The store asks; the server answers at once, from one moment. */
  ask(max: number): void {
    if (!this.isConnected) return;
    const batch = this.store.take(max);
    if (batch.length === 0) return;
    const reads = batch.map(({ path, list }) => this.read(path, list));
    this.stream.push({ batch, reads, after: this.znodes });
  }

  arrive(): void {
    const item = this.stream.shift();
    if (item === undefined) return;
    this.arrived = item.after;
    if ('event' in item) this.store.event(item.event);
    else this.answers.push(item);
    this.check();
  }

  /** The promise of an answer settles. */
  settle(): void {
    const answer = this.answers.shift();
    if (answer === undefined || !('reads' in answer)) return;
    const known = [...(this.arrived?.keys() ?? [])].filter((at) => this.isKnown(at));
    for (const [at, want] of answer.batch.entries()) this.store.apply(want, answer.reads[at]!);
    // An old list must not hide what is newer than it.
    if (this.isConnected) expect(known.filter((at) => !this.isKnown(at))).toEqual([]);
    this.check();
  }

  cut(): void {
    this.stream = [];
    this.isConnected = false;
  }

  reset(): void {
    this.cut();
    this.isConnected = true;
    this.arrived = this.znodes;
    this.store.sweep();
  }

  /** Everything comes to rest. */
  drain(): void {
    if (!this.isConnected) this.reset();
    for (let step = 0; step < 1_000; step++) {
      this.ask(4);
      if (this.stream.length + this.answers.length === 0) break;
      this.arrive();
      this.settle();
    }
    expect(this.store.isComplete).toBe(true);
    expect(flat(this.store.freeze())).toEqual(plain(this.znodes));
  }

  private check(): void {
    if (!this.store.isComplete || !this.isConnected) return;
    expect(this.arrived).not.toBeNull();
    expect(flat(this.store.freeze())).toEqual(plain(this.arrived!));
    this.store.shown();
  }

  /** Whether the store shows the very node that the server has there. */
  private isKnown(path: string): boolean {
    const glimpse = this.store.peek(path);
    return glimpse.kind === 'read' && glimpse.node.stat.czxid === this.arrived?.get(path)?.czxid;
  }

  private read(path: string, list: boolean): NodeRead {
    const znode = this.znodes.get(path);
    if (znode === undefined) return { kind: 'missing' };
    const names = childrenOf(this.znodes, path);
    const { czxid, mzxid, pzxid } = znode;
    const stat = { czxid, mzxid, pzxid, numChildren: names.length } as Stat;
    const node = { data: Buffer.from(znode.data), stat };
    return { kind: 'read', node, names: list ? names : null };
  }
}

function nodeOf(
  { data = '', mzxid = 1n }: { readonly data?: string; readonly mzxid?: bigint },
  names: readonly string[] | null,
  numChildren = names?.length ?? 0,
): NodeRead {
  const stat = { czxid: 1n, mzxid, pzxid: 1n, numChildren } as Stat;
  return { kind: 'read', node: { data: Buffer.from(data), stat }, names };
}

function change(znodes: Map<string, Znode>, path: string, toggles: boolean, zxid: bigint) {
  const znode = znodes.get(path);
  const parent = parentPath(path)!;
  if (znode !== undefined && !toggles) {
    znodes.set(path, { ...znode, data: `${zxid}`, mzxid: zxid });
    return 'dataChanged' as const;
  }
  if (znode !== undefined && childrenOf(znodes, path).length > 0) return null;
  if (znode === undefined && path !== '/r' && !znodes.has(parent)) return null;
  const above = znodes.get(parent);
  if (above !== undefined) znodes.set(parent, { ...above, pzxid: zxid });
  if (znode === undefined) {
    znodes.set(path, { data: `${zxid}`, czxid: zxid, mzxid: zxid, pzxid: zxid });
    return 'created' as const;
  }
  znodes.delete(path);
  return 'deleted' as const;
}

function childrenOf(znodes: Znodes, path: string): string[] {
  return [...znodes.keys()].filter((key) => parentPath(key) === path).map(nodeName);
}

function plain(znodes: Znodes): Record<string, unknown> {
  const entries = [...znodes].map(([path, { data, czxid, mzxid, pzxid }]) => {
    const names = childrenOf(znodes, path).sort();
    return [path, { data, czxid, mzxid, pzxid, names }] as const;
  });
  return Object.fromEntries(entries);
}

function flat(root: TreeNode | null): Record<string, unknown> {
  if (root === null) return {};
  const { path, data, stat, children } = root;
  const { czxid, mzxid, pzxid } = stat;
  const own = { data: data!.toString(), czxid, mzxid, pzxid, names: [...children.keys()] };
  return Object.assign({ [path]: own }, ...Array.from(children.values(), flat)) as never;
}

const path = fc
  .array(fc.constantFrom(...NAMES), { maxLength: 3 })
  .map((names) => names.reduce(childPath, '/r'));
const step = fc.record({ path, toggles: fc.boolean() });
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: fc.array(step, { minLength: 1, maxLength: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ ask: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 6, arbitrary: fc.constant('arrive' as const) },
  { weight: 4, arbitrary: fc.constant('settle' as const) },
  { weight: 1, arbitrary: fc.constantFrom('cut' as const, 'reset' as const) },
);

describe('a tree in memory', () => {
  it.each([
    { saysZxids: true, server: 'a server that says the zxids of events' },
    { saysZxids: false, server: 'one that does not (before 3.9)' },
  ])(
    'is as the server had it at the newest thing that arrived, whenever it is complete: $server',
    ({ saysZxids }) => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
          const wire = new Wire(saysZxids);
          for (const what of actions) {
            if (typeof what === 'string') wire[what]();
            else if ('write' in what) wire.write(what.write);
            else wire.ask(what.ask);
          }
          wire.drain();
        }),
        { seed: 4, numRuns: RUNS },
      );
    },
  );

  it('shares with the snapshot before what has not changed', () => {
    const wire = new Wire(true);
    for (const at of ['/r', '/r/a', '/r/b', '/r/a/c']) wire.write([{ path: at, toggles: true }]);
    wire.drain();
    const before = wire.store.freeze();
    wire.write([{ path: '/r/b', toggles: false }]);
    wire.drain();
    const after = wire.store.freeze();
    expect(after).not.toBe(before);
    expect(after?.children.get('a')).toBe(before?.children.get('a'));
    expect(after?.children.get('b')).not.toBe(before?.children.get('b'));
  });

  it('takes nothing older than it has, except in another history', () => {
    const store = new TreeStore('/r', UNLIMITED);
    const read = (mzxid: bigint) => {
      store.sweep();
      return store.take(1).map((want) => store.apply(want, nodeOf({ mzxid }, [])))[0];
    };
    expect([read(5n), read(3n), read(5n)]).toEqual([true, false, true]);
    expect(store.peek('/r')).toMatchObject({ node: { stat: { mzxid: 5n } } });
    store.forget();
    expect(read(3n)).toBe(true);
  });
});
