import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  AddWatchMode,
  ErrorCode,
  OpCode,
  Permission,
  WatchEventType,
  WatcherType,
} from '@aviary/protocol';
import {
  addWatch,
  auth,
  checkWatches,
  closeSession,
  create,
  createEphemeral,
  exists,
  getChildren,
  getChildren2,
  getData,
  multi,
  remove,
  removeWatches,
  setAcl,
  setData,
  setWatches,
  type Request,
} from './requests.js';
import { ServerWorld } from './server-world.js';
import { Reply, isEvent, type WireClient } from './wire-client.js';

const { nodeCreated, nodeDeleted, nodeDataChanged, nodeChildrenChanged } = WatchEventType;
const CATCH_UP_ZXID = -1;

let world: ServerWorld;
let watcher: WireClient;
let writer: WireClient;

beforeEach(async () => {
  world = await ServerWorld.start();
  watcher = await world.session();
  writer = await world.session();
});

/** What `watcher` is told until all is quiet. */
async function told(client = watcher): Promise<[number, string][]> {
  await world.pass(50);
  const events: [number, string][] = [];
  while (client.pending > 0) {
    const { type, path } = await client.event();
    events.push([type, path]);
  }
  return events;
}

const watches = () => world.port.tree.watches.size;

describe('an event', () => {
  it('comes before the answer that shows what it announces, also to who changed it', async () => {
    await writer.done(create('/a'));
    await writer.done(getData('/a', true));
    writer.send(setData('/a', '1'), getData('/a'));
    const frames = [await writer.frame(), await writer.frame(), await writer.frame()];
    expect(frames.map(isEvent)).toEqual([true, false, false]);
    const [event, answer] = frames.map((frame) => new Reply(frame));
    expect(event!.zxid).toBe(answer!.zxid);
  });

  it('comes before any read of another client that sees the change', async () => {
    await writer.done(create('/a'));
    for (let i = 0; i < 50; i++) {
      await watcher.done(getData('/a', true));
      writer.send(setData('/a', String(i)));
      let seen = i - 1;
      let isTold = false;
      while (seen < i) {
        watcher.send(getData('/a'));
        const frame = await watcher.frame();
        if (isEvent(frame)) {
          isTold = true;
          continue;
        }
        const { body } = new Reply(frame);
        const length = Buffer.from(body).readInt32BE(0);
        seen = length === 0 ? -1 : Number(Buffer.from(body.subarray(4, 4 + length)).toString());
        if (seen === i) expect(isTold).toBe(true);
        await world.pass(0.05);
      }
      await writer.reply();
      watcher.takeFrames();
    }
  });

  it('comes in the order of the transactions, and inside one in the order of its parts', async () => {
    await watcher.done(addWatch('/', AddWatchMode.persistentRecursive));
    const path = (name: string) => ({
      path: name,
      data: null,
      acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
      flags: 0,
    });
    await writer.done(
      multi([
        { type: OpCode.create, request: path('/a') },
        { type: OpCode.create, request: path('/a/b') },
        { type: OpCode.setData, request: { path: '/a', data: null, version: -1 } },
        { type: OpCode.delete, request: { path: '/a/b', version: -1 } },
      ]),
    );
    await writer.done(remove('/a'));
    expect(await told()).toEqual([
      [nodeCreated, '/a'],
      [nodeCreated, '/a/b'],
      [nodeDataChanged, '/a'],
      [nodeDeleted, '/a/b'],
      [nodeDeleted, '/a'],
    ]);
  });

  it('does not come of what fails', async () => {
    await writer.done(create('/a'));
    await watcher.done(getData('/a', true));
    await writer.call(setData('/a', 'x', 7));
    await writer.call(
      multi([
        { type: OpCode.setData, request: { path: '/a', data: null, version: -1 } },
        { type: OpCode.check, request: { path: '/none', version: -1 } },
      ]),
    );
    expect(await told()).toEqual([]);
    expect(watches()).toBe(1);
  });
});

/** What sets a watch, what is done then, and what comes of it. */
const FIRINGS: readonly (readonly [string, Request, Request, [number, string][]])[] = [
  ['data watch, changed', getData('/a', true), setData('/a', ''), [[nodeDataChanged, '/a']]],
  ['data watch, deleted', getData('/a', true), remove('/a'), [[nodeDeleted, '/a']]],
  ['data watch, child made', getData('/a', true), create('/a/b'), []],
  ['exists on a node, changed', exists('/a', true), setData('/a', ''), [[nodeDataChanged, '/a']]],
  ['exists on no node, created', exists('/new', true), create('/new'), [[nodeCreated, '/new']]],
  [
    'child watch, child made',
    getChildren('/a', true),
    create('/a/b'),
    [[nodeChildrenChanged, '/a']],
  ],
  ['child watch, deleted', getChildren2('/a', true), remove('/a'), [[nodeDeleted, '/a']]],
  ['child watch, changed', getChildren('/a', true), setData('/a', ''), []],
];

describe('a one-shot watch', () => {
  it.each(FIRINGS)('%s', async (_name, watch, change, events) => {
    await writer.done(create('/a'));
    await watcher.call(watch);
    await writer.done(change);
    expect(await told()).toEqual(events);
    expect(watches()).toBe(events.length === 0 ? 1 : 0);
  });

  it('is set by no read that fails for another reason than that nothing is there', async () => {
    await watcher.call(getData('/none', true));
    await watcher.call(getChildren('/none', true));
    expect(watches()).toBe(0);
  });

  it('goes with its connection', async () => {
    for (const path of ['/x', '/y']) await watcher.call(exists(path, true));
    await watcher.done(addWatch('/', AddWatchMode.persistent));
    expect(watches()).toBe(3);
    watcher.link.drop();
    await world.pass(1);
    expect([watches(), world.port.tree.watches.bytes]).toEqual([0, 0]);
  });
});

describe('a persistent watch', () => {
  it('of both kinds and a one-shot one tell of one change once', async () => {
    await writer.done(create('/a'));
    await watcher.done(addWatch('/a', AddWatchMode.persistent));
    await watcher.done(addWatch('/', AddWatchMode.persistentRecursive));
    await watcher.done(getData('/a', true));
    await writer.done(setData('/a', '1'));
    await writer.done(create('/a/b'));
    expect(await told()).toEqual([
      [nodeDataChanged, '/a'],
      [nodeCreated, '/a/b'],
      [nodeChildrenChanged, '/a'],
    ]);
  });

  it('is checked and removed by its type, and then is gone', async () => {
    await watcher.done(addWatch('/a', AddWatchMode.persistent));
    await watcher.done(addWatch('/a', AddWatchMode.persistentRecursive));
    const err = async (request: Request) => (await watcher.call(request)).err;
    expect(await err(checkWatches('/a', WatcherType.persistent))).toBe(ErrorCode.ok);
    expect(await err(removeWatches('/a', WatcherType.persistent))).toBe(ErrorCode.ok);
    expect(await err(checkWatches('/a', WatcherType.persistent))).toBe(ErrorCode.noWatcher);
    expect(await err(removeWatches('/a', WatcherType.any))).toBe(ErrorCode.ok);
    expect(await err(removeWatches('/a', WatcherType.any))).toBe(ErrorCode.noWatcher);
    expect(await err(removeWatches('/a', 9))).toBe(ErrorCode.marshallingError);
    expect(await err(addWatch('/a', 2))).toBe(ErrorCode.marshallingError);
    expect(watches()).toBe(0);
  });

  it('of another connection is not touched by a removal', async () => {
    await watcher.done(addWatch('/a', AddWatchMode.persistent));
    expect((await writer.call(removeWatches('/a', WatcherType.any))).err).toBe(ErrorCode.noWatcher);
    expect(watches()).toBe(1);
  });
});

describe('watches that are set again after a reconnect', () => {
  it('tell at once what was missed, before the answer, and wait for the rest', async () => {
    for (const path of ['/kept', '/changed', '/deleted', '/parent'])
      await writer.done(create(path));
    const seen = world.zxid;
    await writer.done(setData('/changed', '1'));
    await writer.done(remove('/deleted'));
    await writer.done(create('/parent/child'));
    await writer.done(create('/made'));
    watcher.send(
      setWatches(seen, {
        data: ['/kept', '/changed', '/deleted'],
        exist: ['/made', '/none'],
        child: ['/parent', '/kept', '/deleted'],
        persistent: ['/kept'],
        recursive: ['/'],
      }),
    );
    const missed = [];
    for (let i = 0; i < 5; i++) missed.push(await watcher.event());
    expect(missed).toEqual([
      { type: nodeDataChanged, path: '/changed', zxid: CATCH_UP_ZXID },
      { type: nodeDeleted, path: '/deleted', zxid: CATCH_UP_ZXID },
      { type: nodeCreated, path: '/made', zxid: CATCH_UP_ZXID },
      { type: nodeChildrenChanged, path: '/parent', zxid: CATCH_UP_ZXID },
      { type: nodeDeleted, path: '/deleted', zxid: CATCH_UP_ZXID },
    ]);
    expect(await watcher.reply()).toMatchObject({ xid: -8, err: ErrorCode.ok });
    await writer.done(create('/none'));
    expect(await told()).toEqual([[nodeCreated, '/none']]);
  });

  it('come behind writes that the connection has under way', async () => {
    watcher.send(create('/a'), setWatches(0, { exist: ['/a'] }));
    expect((await watcher.reply()).err).toBe(ErrorCode.ok);
    expect(await watcher.event()).toMatchObject({ type: nodeCreated, path: '/a' });
  });

  it('tell nothing of a node that may not be read', async () => {
    await writer.done(auth('digest', 'u:p'));
    const acl = [{ perms: Permission.all, id: { scheme: 'auth', id: '' } }];
    await writer.done(create('/secret', { acl }));
    await writer.done(setData('/secret', '1'));
    await watcher.done(
      setWatches(0, { data: ['/secret'], exist: ['/secret'], child: ['/secret'] }),
    );
    expect(await told()).toEqual([]);
  });

  it('change nothing when the request is broken', async () => {
    const { type, body } = setWatches(0, { data: ['/kept'], exist: ['/x'] });
    const reply = await watcher.call({ type, body: body.subarray(0, body.length - 9) });
    expect([reply.err, watches()]).toEqual([ErrorCode.marshallingError, 0]);
  });

  it('of a client that is cut off while it is told what it missed leave nothing behind', async () => {
    world = await ServerWorld.start({ server: { limits: { outputBytesMax: 5000 } } });
    const client = await world.session();
    client.link.stopReading();
    const gone = Array.from({ length: 1000 }, (_, i) => `/gone${i}`);
    const kept = Array.from({ length: 100 }, (_, i) => `/not-there${i}`);
    client.send(setWatches(0, { data: gone, exist: kept }));
    await client.closed();
    await world.pass(1);
    expect([watches(), world.port.tree.watches.bytes]).toEqual([0, 0]);
  });
});

describe('permission to read', () => {
  const secret = [{ perms: Permission.all, id: { scheme: 'auth', id: '' } }];

  it('decides at the time of the change who is told; the watch is used up either way', async () => {
    await writer.done(auth('digest', 'u:p'));
    await writer.done(create('/a'));
    await watcher.done(getData('/a', true));
    await watcher.done(addWatch('/', AddWatchMode.persistentRecursive));
    await writer.done(setAcl('/a', secret));
    await writer.done(setData('/a', '1'));
    await writer.done(create('/a/b', { acl: secret }));
    await writer.done(remove('/a/b'));
    expect(await told()).toEqual([]);
    expect(watches()).toBe(1);
  });

  it('is looked at for who watches the children, on their parent', async () => {
    await writer.done(auth('digest', 'u:p'));
    await writer.done(create('/a'));
    await watcher.done(getChildren('/a', true));
    await writer.done(create('/a/b', { acl: secret }));
    expect(await told()).toEqual([[nodeChildrenChanged, '/a']]);
  });
});

describe('the memory of watches', () => {
  it('is bounded for each connection: no more are set, and the others still may', async () => {
    world = await ServerWorld.start({ server: { limits: { watchBytesPerConnectionMax: 10_000 } } });
    const [greedy, modest] = [await world.session(), await world.session()];
    const errors: number[] = [];
    for (let i = 0; i < 100; i++) errors.push((await greedy.call(exists(`/n${i}`, true))).err);
    expect(errors.at(-1)).toBe(ErrorCode.quotaExceeded);
    expect(watches()).toBeLessThan(60);
    expect((await greedy.call(addWatch('/x', AddWatchMode.persistent))).err).toBe(
      ErrorCode.quotaExceeded,
    );
    await greedy.done(create('/large'));
    expect((await greedy.call(getData('/large', true))).err).toBe(ErrorCode.quotaExceeded);
    expect((await greedy.call(getChildren('/large', true))).err).toBe(ErrorCode.quotaExceeded);
    expect((await greedy.call(getData('/large'))).err).toBe(ErrorCode.ok);
    expect((await modest.call(exists('/n', true))).err).toBe(ErrorCode.noNode);
  });

  it('counts the length of the path', async () => {
    world = await ServerWorld.start({
      server: { limits: { watchBytesPerConnectionMax: 1 << 20 } },
    });
    const client = await world.session();
    const long = (i: number) => exists(`/${'p'.repeat(500_000)}${i}`, true);
    const errors = [];
    for (let i = 0; i < 5; i++) errors.push((await client.call(long(i))).err);
    expect(errors).toEqual([-101, -101, -101, -125, -125]);
  });

  it('is bounded for all together', async () => {
    world = await ServerWorld.start({ server: { limits: { watchBytesMax: 10_000 } } });
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      const client = await world.session();
      const { err } = await client.call(exists(`/n${i}`, true));
      if (err === ErrorCode.quotaExceeded) refused++;
    }
    expect(refused).toBeGreaterThan(5);
    expect(world.port.tree.watches.bytes).toBeLessThan(10_300);
  });

  it('lets a client set again what it had, and cuts off who sets more', async () => {
    world = await ServerWorld.start({ server: { limits: { watchBytesPerConnectionMax: 10_000 } } });
    const client = await world.session();
    const paths = Array.from({ length: 47 }, (_, i) => `/node-${i}`);
    for (const path of paths) await client.call(exists(path, true));
    const again = await world.session(client.credentials);
    await again.done(setWatches(world.zxid, { exist: paths.reverse() }));
    expect(watches()).toBe(47);
    const more = Array.from({ length: 200 }, (_, i) => `/more-${i}`);
    again.send(setWatches(world.zxid, { exist: more }));
    await again.closed();
    await world.pass(1);
    expect(watches()).toBe(0);
  });

  it('is free again when watches fire', async () => {
    world = await ServerWorld.start({ server: { limits: { watchBytesPerConnectionMax: 2_000 } } });
    const client = await world.session();
    await client.done(create('/a'));
    for (let i = 0; i < 100; i++) {
      await client.done(getData('/a', true));
      client.send(setData('/a', ''));
      await client.event();
      await client.reply();
    }
    expect(world.port.tree.watches.bytes).toBe(0);
  });
});

describe('ephemeral nodes of a session that ends', () => {
  it('tell the watchers of their parent once, in one transaction', async () => {
    await writer.done(create('/p'));
    await writer.done(createEphemeral('/p/one'));
    await writer.done(createEphemeral('/p/two'));
    await watcher.done(getChildren('/p', true));
    await writer.done(closeSession);
    expect(await told()).toEqual([[nodeChildrenChanged, '/p']]);
  });
});
