import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OpCode } from '@aviary/protocol';
import { NoNodeError, UnimplementedError, type TreeEvent, type ZooKeeper } from '../src/index.js';
import { Fixture, rejection } from './fixture.js';

let fixture: Fixture;
let zk: ZooKeeper;
/** Changes things from the side. */
let other: ZooKeeper;

beforeEach(async () => {
  fixture = await Fixture.start();
  zk = await fixture.connected();
  other = await fixture.connected();
});

afterEach(() => fixture.stop());

const run = <T>(promise: Promise<T>) => fixture.settled(promise);

/** Collects what a stream gives, as text. */
function textsOf(stream: ReturnType<ZooKeeper['watchNode']>): string[] {
  const seen: string[] = [];
  stream.subscribe({
    next: (view) => seen.push(view === null ? 'gone' : String(view.data)),
    error: (error: unknown) => seen.push(`error ${(error as Error).name}`),
    complete: () => seen.push('complete'),
  });
  return seen;
}

function eventsOf(stream: ReturnType<ZooKeeper['watchTree']>): string[] {
  const seen: string[] = [];
  stream.subscribe({
    next: (event: TreeEvent) =>
      seen.push(event.kind === 'reset' ? `reset ${event.reason}` : `${event.kind} ${event.path}`),
    error: (error: unknown) => seen.push(`error ${(error as Error).name}`),
    complete: () => seen.push('complete'),
  });
  return seen;
}

describe('a watch that fires once', () => {
  it('tells of the next change, with its zxid', async () => {
    await run(other.create('/a', 'x'));
    const { data, watch } = await run(zk.getAndWatch('/a'));
    expect(data?.toString()).toBe('x');
    const { mzxid } = await run(other.set('/a', 'y'));
    expect(await run(watch.fired)).toEqual({ kind: 'dataChanged', path: '/a', zxid: mzxid });
    expect(zk.watchCount).toBe(0);
  });

  it('tells of creation, children and deletion', async () => {
    const missing = await run(zk.existsAndWatch('/a'));
    expect(missing.stat).toBeNull();
    await run(other.create('/a'));
    expect(await run(missing.watch.fired)).toMatchObject({ kind: 'created' });
    const listed = await run(zk.childrenAndWatch('/a'));
    await run(other.create('/a/b'));
    expect(await run(listed.watch.fired)).toMatchObject({ kind: 'childrenChanged' });
    const again = await run(zk.childrenAndWatch('/a/b'));
    await run(other.delete('/a/b'));
    expect(await run(again.watch.fired)).toMatchObject({ kind: 'deleted', path: '/a/b' });
  });

  it('speaks of paths below the chroot', async () => {
    await run(other.ensurePath('/app'));
    const inside = await fixture.connected({ chroot: '/app' });
    const { watch } = await run(inside.existsAndWatch('/a'));
    await run(other.create('/app/a'));
    expect(await run(watch.fired)).toMatchObject({ kind: 'created', path: '/a' });
  });

  it('is not left behind by a read that fails', async () => {
    expect(await rejection(run(zk.getAndWatch('/no')))).toBeInstanceOf(NoNodeError);
    expect(zk.watchCount).toBe(0);
  });

  it('is removed from the server when nobody wants it any more', async () => {
    await run(other.create('/a'));
    const first = await run(zk.getAndWatch('/a'));
    const second = await run(zk.getAndWatch('/a'));
    first.watch.cancel();
    first.watch.cancel();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(1);
    second.watch[Symbol.dispose]();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(0);
    expect(await run(first.watch.fired)).toEqual({ kind: 'cancelled' });
    expect(await run(second.watch.fired)).toEqual({ kind: 'cancelled' });
  });

  it('ends with its signal, also while its read is on its way', async () => {
    await run(other.create('/a'));
    const early = new AbortController();
    const reading = zk.getAndWatch('/a', { signal: early.signal });
    const aborted = rejection(run(reading));
    early.abort();
    expect((await aborted).name).toBe('AbortedError');
    const late = new AbortController();
    const { watch } = await run(zk.getAndWatch('/a', { signal: late.signal }));
    late.abort();
    expect(await run(watch.fired)).toEqual({ kind: 'cancelled' });
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(0);
    expect(zk.watchCount).toBe(0);
  });

  it('survives a reconnect, and what changed meanwhile is told after it', async () => {
    await run(other.create('/a'));
    const { watch } = await run(zk.getAndWatch('/a'));
    const quiet = await run(zk.getAndWatch('/'));
    await fixture.ensemble.stop();
    await fixture.clock.settle();
    fixture.ensemble.tree.zxid++;
    fixture.ensemble.tree.set('/a', Buffer.from('meanwhile'), -1);
    fixture.ensemble.tree.takeEvents();
    await fixture.listen();
    expect(await run(watch.fired)).toEqual({ kind: 'dataChanged', path: '/a', zxid: null });
    await run(zk.connect());
    expect(fixture.ensemble.watchCount).toBe(1);
    quiet.watch.cancel();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(0);
  });

  it('ends with the session, and says so', async () => {
    await run(other.create('/a'));
    const { watch } = await run(zk.getAndWatch('/a'));
    fixture.ensemble.expire(zk.sessionId!);
    expect(await run(watch.fired)).toEqual({ kind: 'sessionLost' });
  });

  it('ends with the client', async () => {
    const { watch } = await run(zk.existsAndWatch('/a'));
    await run(zk.close());
    expect(await run(watch.fired)).toEqual({ kind: 'closed' });
  });
});

describe('the stream of a node', () => {
  it('shows it now and after every change, and null while it is missing', async () => {
    const seen = textsOf(zk.watchNode('/a'));
    await fixture.clock.settle();
    await run(other.create('/a', '1'));
    await run(other.set('/a', '2'));
    await run(other.delete('/a'));
    await run(other.create('/a', '3'));
    await fixture.clock.settle();
    expect(seen).toEqual(['gone', '1', '2', 'gone', '3']);
  });

  it('may skip states in between, never the newest', async () => {
    const seen = textsOf(zk.watchNode('/a'));
    await run(other.create('/a', '0'));
    await fixture.clock.settle();
    await run(Promise.all(Array.from({ length: 100 }, (_, n) => other.set('/a', String(n + 1)))));
    await fixture.clock.settle();
    expect(seen.at(-1)).toBe('100');
    expect(seen.length).toBeLessThan(20);
  });

  it('goes on over reconnects and new sessions, without repeating itself', async () => {
    await run(other.create('/a', '1'));
    const seen = textsOf(zk.watchNode('/a'));
    await fixture.clock.settle();
    fixture.ensemble.closeConnections();
    await run(zk.connect());
    fixture.ensemble.expire(zk.sessionId!);
    await fixture.clock.settle();
    await run(other.set('/a', '2'));
    await run(zk.connect());
    await fixture.clock.advance(100);
    expect(seen).toEqual(['1', '2']);
    await run(zk.close());
    await fixture.clock.settle();
    expect(seen).toEqual(['1', '2', 'complete']);
  });

  it('never goes back: an older state is not shown', async () => {
    await run(other.create('/a', 'old'));
    await run(other.set('/a', 'new'));
    const seen = textsOf(zk.watchNode('/a'));
    await fixture.clock.settle();
    // A server that lags behind and does not check: it says what was before.
    const { tree } = fixture.ensemble;
    const node = tree.get('/a');
    const { zxid } = tree;
    tree.zxid = 1n;
    node.data = Buffer.from('old');
    node.stat.mzxid = 1n;
    const { connections } = fixture.ensemble;
    for (const connection of connections) connection.fire({ type: 3, path: '/a' }, 1n);
    await fixture.clock.settle();
    expect(seen).toEqual(['new']);
    tree.zxid = zxid;
    await run(other.set('/a', 'newest'));
    await fixture.clock.settle();
    expect(seen).toEqual(['new', 'newest']);
  });

  it('starts anew when the ensemble has lost its history', async () => {
    await run(other.create('/a', 'first'));
    await run(other.set('/a', 'before'));
    const seen = textsOf(zk.watchNode('/a'));
    await fixture.clock.settle();
    const { tree, sessions } = fixture.ensemble;
    await run(other.close({ deadlineMs: 0 }));
    await fixture.ensemble.stop();
    sessions.clear();
    tree.zxid = 1n;
    tree.get('/a').data = Buffer.from('after');
    tree.get('/a').stat.mzxid = 1n;
    await fixture.listen();
    await fixture.clock.advance(60_000);
    expect(seen).toEqual(['before', 'after']);
  });

  it('removes its watch when its subscriber leaves', async () => {
    const subscription = zk.watchNode('/a').subscribe();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(1);
    subscription.unsubscribe();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(0);
    expect(zk.watchCount).toBe(0);
  });

  it('errors for a path that is none', async () => {
    const seen = textsOf(zk.watchNode('a'));
    await fixture.clock.settle();
    expect(seen).toEqual(['error InvalidPathError']);
  });
});

describe('the stream of children', () => {
  it('shows the names after one came or went', async () => {
    const seen: (string | null)[] = [];
    zk.watchChildren('/p').subscribe((view) => seen.push(view && [...view.children].sort().join()));
    await fixture.clock.settle();
    await run(other.create('/p'));
    await run(other.create('/p/a'));
    await run(other.create('/p/b'));
    await run(other.delete('/p/a'));
    await run(other.set('/p/b', 'data is not shown'));
    await fixture.clock.settle();
    expect(seen).toEqual([null, '', 'a', 'a,b', 'b']);
  });
});

describe('the stream of a tree', () => {
  it('begins with a reset, and then tells of every change below', async () => {
    const seen = eventsOf(zk.watchTree('/t'));
    await fixture.clock.settle();
    await run(other.create('/t'));
    await run(other.create('/t/a'));
    await run(other.set('/t/a', 'x'));
    await run(other.create('/u'));
    await run(other.delete('/t/a'));
    await fixture.clock.settle();
    expect(seen).toEqual([
      'reset armed',
      'created /t',
      'created /t/a',
      'dataChanged /t/a',
      'deleted /t/a',
    ]);
  });

  it('of one node tells of its children and of nothing deeper', async () => {
    await run(other.create('/t'));
    const seen = eventsOf(zk.watchTree('/t', { recursive: false }));
    await fixture.clock.settle();
    await run(other.create('/t/a'));
    await run(other.set('/t/a', 'x'));
    await run(other.set('/t', 'y'));
    await fixture.clock.settle();
    expect(seen).toEqual(['reset armed', 'childrenChanged /t', 'dataChanged /t']);
  });

  it('is one watch on the server for all, from the first to the last subscriber', async () => {
    const stream = zk.watchTree('/t');
    const first = stream.subscribe();
    await fixture.clock.settle();
    const seen = eventsOf(stream);
    expect(seen).toEqual(['reset armed']);
    const [connection] = [...fixture.ensemble.connections].filter((c) => c.recursive.size > 0);
    expect(connection?.seen.filter((op) => op === OpCode.addWatch).length).toBe(1);
    first.unsubscribe();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(1);
    await run(other.create('/t'));
    await fixture.clock.settle();
    expect(seen).toEqual(['reset armed', 'created /t']);
    const only = zk.watchTree('/only').subscribe();
    await fixture.clock.settle();
    only.unsubscribe();
    await fixture.clock.settle();
    expect(fixture.ensemble.watchCount).toBe(1);
  });

  it('says after every gap that it must be read again', async () => {
    const seen = eventsOf(zk.watchTree('/'));
    await fixture.clock.settle();
    fixture.ensemble.closeConnections();
    await run(zk.connect());
    await run(other.create('/a'));
    fixture.ensemble.expire(zk.sessionId!);
    await fixture.clock.settle();
    await run(zk.connect());
    await run(other.create('/b'));
    await fixture.clock.settle();
    const lines = ['reset armed', 'reset reconnected', 'created /a', 'reset newSession'];
    expect(seen).toEqual([...lines, 'created /b']);
    await run(zk.close());
    expect(seen.at(-1)).toBe('complete');
    expect(eventsOf(zk.watchTree('/'))).toEqual(['complete']);
  });

  it('leaves nothing behind when the client is closed, whoever asks for it then', async () => {
    const seen = eventsOf(zk.watchTree('/t'));
    const late: string[][] = [];
    await fixture.clock.settle();
    zk.state$.subscribe(({ kind }) => {
      if (kind === 'closed') late.push(eventsOf(zk.watchTree('/t')), eventsOf(zk.watchTree('/u')));
    });
    await run(zk.close());
    expect([seen.at(-1), ...late.map((events) => events.at(-1))]).toEqual(
      Array(3).fill('complete'),
    );
    expect(zk.watchCount).toBe(0);
  });

  it('a read that answers a reset misses nothing', async () => {
    const names: string[] = [];
    zk.watchTree('/').subscribe((event) => {
      if (event.kind === 'reset') {
        void zk.children('/').then(({ children }) => names.push(...children));
      } else if (event.kind === 'created') names.push(event.path.slice(1));
    });
    await fixture.clock.settle();
    for (let round = 0; round < 5; round++) {
      fixture.ensemble.closeConnections();
      await fixture.clock.settle();
      const creating = other.create(`/n${round}`);
      await run(zk.connect());
      await run(creating);
    }
    await fixture.clock.settle();
    expect([...new Set(names)].sort()).toEqual(['n0', 'n1', 'n2', 'n3', 'n4']);
  });

  it('errors where the server does not know such watches', async () => {
    const { operations } = fixture.ensemble;
    const perform = operations.perform.bind(operations);
    operations.perform = (type, reader, at) =>
      perform(type === OpCode.addWatch ? 9_999 : type, reader, at);
    const errors: unknown[] = [];
    zk.watchTree('/t').subscribe({ error: (error: unknown) => errors.push(error) });
    await fixture.clock.settle();
    expect(errors[0]).toBeInstanceOf(UnimplementedError);
    expect(eventsOf(zk.watchTree('no-path'))).toEqual(['error InvalidPathError']);
  });
});
