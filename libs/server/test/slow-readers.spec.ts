import { describe, expect, it } from '@jest/globals';
import { AddWatchMode, ErrorCode, OpCode } from '@aviary/protocol';
import {
  addWatch,
  check,
  closeSession,
  create,
  createEphemeral,
  exists,
  getData,
  multi,
  ping,
  setData,
  sync,
  type Request,
} from './requests.js';
import { ServerWorld } from './server-world.js';
import { isEvent, type WireClient } from './wire-client.js';

const NOTHING = new Uint8Array(0);
const MEGABYTE = 1 << 20;
/** The longest value that a frame has room for. */
const LARGE = 1_000_000;

async function worldWithLargeNode(limits = {}): Promise<ServerWorld> {
  const world = await ServerWorld.start({ server: { limits, tickTimeMs: 1000 } });
  const client = await world.session();
  await client.done(create('/large', { data: new Uint8Array(LARGE) }));
  await client.done(closeSession);
  return world;
}

/** A client that soon expires, and does not read the answers to ten requests. */
async function slowClient(world: ServerWorld): Promise<WireClient> {
  const client = await world.session({ timeoutMs: 4_000 });
  client.link.stopReading();
  client.send(...Array.from({ length: 10 }, () => getData('/large')));
  return client;
}

const large = (count: number) => Array.from({ length: count }, () => getData('/large'));

const queuedBytes = (client: WireClient) => client.link.server.queuedBytes;

describe('a client that does not read its answers', () => {
  it('is read no further, and gets them all once it reads again', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    // A chunk of 36 kilobytes asks for a gigabyte.
    const xids = client.send(...Array.from({ length: 1000 }, () => getData('/large')));
    client.send(ping);
    expect(queuedBytes(client)).toBeLessThan(3 * MEGABYTE);
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    const got: number[] = [];
    for (let bytes = 0; got.length < xids.length; bytes++) {
      client.link.read(LARGE);
      for (const frame of client.takeFrames()) got.push(frame.length > LARGE ? 1 : 0);
      expect(queuedBytes(client)).toBeLessThan(3 * MEGABYTE);
      expect(bytes).toBeLessThan(3 * xids.length);
    }
    expect(got.every((full) => full === 1)).toBe(true);
    client.link.startReading();
    expect((await client.reply()).err).toBe(ErrorCode.ok);
    expect(world.port.heldBytes).toBe(0);
  });

  it('holds up nobody else', async () => {
    const world = await worldWithLargeNode();
    const slow = await world.session();
    slow.link.stopReading();
    slow.send(...Array.from({ length: 100 }, () => getData('/large')));
    const other = await world.session();
    expect((await other.call(getData('/large'))).body.length).toBeGreaterThan(LARGE);
  });

  it('expires, since nothing is heard of it', async () => {
    const world = await worldWithLargeNode();
    const client = await slowClient(world);
    for (let i = 0; i < 8; i++) {
      client.send(ping);
      await world.pass(1_000);
    }
    expect(client.isClosed).toBe(true);
    expect(world.port.heldBytes).toBe(0);
  });

  it('does not expire while it takes something, though its pings are not read', async () => {
    const world = await worldWithLargeNode();
    const client = await slowClient(world);
    for (let i = 0; i < 20; i++) {
      client.send(ping);
      client.link.read(10_000);
      await world.pass(1_000);
    }
    expect(client.isClosed).toBe(false);
    client.link.startReading();
    await world.reach(() => client.pending >= 30);
  });

  it('is heard when it takes the last of what waits for it', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session({ timeoutMs: 4_000 });
    client.link.stopReading();
    client.send(getData('/'));
    await world.pass(3_000);
    client.link.startReading();
    await world.pass(3_000);
    expect(client.isClosed).toBe(false);
    await world.pass(3_000);
    expect(client.isClosed).toBe(true);
  });

  it('is read on while what waits for it is little', async () => {
    const world = await worldWithLargeNode();
    const [client, other] = [await world.session(), await world.session()];
    client.link.stopReading();
    client.send(getData('/'));
    expect(queuedBytes(client)).toBeGreaterThan(0);
    client.send(create('/made'));
    expect((await other.call(sync('/'))).err).toBe(ErrorCode.ok);
    expect((await other.call(exists('/made'))).err).toBe(ErrorCode.ok);
  });

  it('has its writes made as soon as the reads before them are answered', async () => {
    const world = await worldWithLargeNode();
    const [client, other] = [await world.session(), await world.session()];
    client.link.stopReading();
    // Of answers as long as these it is sent two that it does not take.
    client.send(...large(2), create('/first'), ...large(2), create('/second'));
    await other.done(sync('/'));
    expect((await other.call(exists('/first'))).err).toBe(ErrorCode.ok);
    expect((await other.call(exists('/second'))).err).toBe(ErrorCode.noNode);
    client.link.read(queuedBytes(client));
    await other.done(sync('/'));
    expect((await other.call(exists('/second'))).err).toBe(ErrorCode.ok);
    expect(queuedBytes(client)).toBeGreaterThan(LARGE);
  });

  it('is closed some time after its last answer, when the server closes', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    client.send(getData('/large'), { type: OpCode.check, body: getData('/').body });
    await world.pass(5_000);
    expect(client.isClosed).toBe(false);
    await world.pass(15_000);
    expect(client.isClosed).toBe(true);
  });
});

describe('the answers to a client that reads slowly', () => {
  const set = setData('/large', new Uint8Array(LARGE - 1));

  /** Sends all in one chunk, reads nothing for a while, and then everything. */
  async function answersTo(...requests: readonly Request[]): Promise<number[][]> {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    const xids = client.send(...requests);
    await world.pass(100);
    expect(queuedBytes(client)).toBeLessThan((2 + 64) * MEGABYTE);
    client.link.startReading();
    await world.reach(() => client.pending >= xids.length || client.isClosed);
    const replies = await client.replies(client.pending);
    await world.reach(() => world.port.heldBytes === 0);
    return [replies.map(({ xid }) => xid), xids, replies.map(({ body }) => body.length)];
  }

  it.each([
    ['a write behind reads', [...large(20), set, getData('/large')]],
    ['a write before and behind reads', [set, ...large(20), set, getData('/large')]],
    ['more reads than may pass', [set, ...large(70), set, set, ...large(3), set]],
    ['writes among reads', [...large(5), set, ...large(5), set, set, ...large(5), set]],
    ['sync', [...large(20), set, sync('/'), getData('/large'), set, sync('/'), ...large(2)]],
    ['the end of the session', [...large(20), set, ...large(2), closeSession]],
    ['the end of the session, with writes under way', [set, ...large(20), set, closeSession]],
  ])('come in the order of the requests: %s', async (_name, requests) => {
    const [got, sent] = await answersTo(...requests);
    expect(got).toEqual(sent);
  });

  it('show reads nothing of the writes that were sent after them', async () => {
    const [, , bytes] = await answersTo(set, ...large(20), setData('/large', NOTHING), ...large(2));
    // All but the Stat alone that a set brings, and what the last two read, is a value of LARGE - 1.
    expect(bytes!.map((length) => length > LARGE - 1)).toEqual([
      false,
      ...Array.from({ length: 20 }, () => true),
      false,
      false,
      false,
    ]);
  });

  it('keep a read behind its write, though the sync behind it waits for others', async () => {
    const world = await worldWithLargeNode();
    const [client, other] = [await world.session(), await world.session()];
    world.slowCommits(100, 'all');
    other.send(create('/other'));
    client.link.stopReading();
    const read = getData('/large');
    const xids = client.send(...large(20), setData('/large', NOTHING), read, sync('/'), read);
    // Nothing is left under way but what waits for the client.
    await other.reply();
    client.link.startReading();
    const replies = await client.replies(xids.length);
    expect(replies.map(({ xid }) => xid)).toEqual(xids);
  });

  it('to a sync wait for others, also after writes of its own have waited', async () => {
    const world = await worldWithLargeNode();
    const [client, other] = [await world.session(), await world.session()];
    client.link.stopReading();
    const xids = client.send(...large(3), set);
    client.link.startReading();
    await client.replies(xids.length);
    world.slowCommits(100, 'all');
    other.send(create('/other'));
    client.send(sync('/'), exists('/other'));
    const [, found] = await client.replies(2);
    expect(found!.err).toBe(ErrorCode.ok);
  });

  it('are still to come to so many requests as were not answered', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    client.send(...large(20), set, ...large(2));
    const [connection] = world.port.connections;
    expect(connection!.outstanding).toBe(18 + 1 + 2);
    client.link.startReading();
    await client.replies(20 + 1 + 2);
    expect(connection!.outstanding).toBe(0);
  });

  it('end with that to what no client may send: no write behind it is made', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    const xids = client.send(...large(20), check('/'), create('/behind'));
    client.link.startReading();
    await client.closed();
    const replies = await client.replies(client.pending);
    expect(replies.map(({ xid }) => xid)).toEqual(xids.slice(0, 21));
    const other = await world.session();
    expect((await other.call(exists('/behind'))).err).toBe(ErrorCode.noNode);
  });

  it('end with that to the end of the session, whatever stands behind it', async () => {
    const [got, sent] = await answersTo(...large(20), closeSession, ...large(2));
    expect(got).toEqual(sent!.slice(0, 21));
  });
});

describe('a client that does not read what it watches', () => {
  it('is cut off at the limit; who reads is told everything', async () => {
    const world = await ServerWorld.start({ server: { limits: { outputBytesMax: 30_000 } } });
    const [slow, good, writer] = [
      await world.session(),
      await world.session(),
      await world.session(),
    ];
    for (const client of [slow, good]) {
      await client.done(addWatch('/', AddWatchMode.persistentRecursive));
    }
    slow.link.stopReading();
    await writer.done(create('/a'));
    let most = 0;
    for (let i = 0; i < 1_200; i++) {
      await writer.done(setData('/a', ''));
      most = Math.max(most, queuedBytes(slow));
    }
    expect(slow.isClosed).toBe(true);
    expect(most).toBeLessThanOrEqual(30_000);
    expect(good.takeFrames()).toHaveLength(1_201);
    expect(world.port.tree.watches.size).toBe(1);
    expect(world.port.connectionsCut).toBe(1);
  });

  it('is not read either while it has much to take, and then is', async () => {
    const world = await ServerWorld.start({ server: { limits: { outputHighBytes: 10_000 } } });
    const [slow, writer] = [await world.session(), await world.session()];
    await slow.done(addWatch('/', AddWatchMode.persistentRecursive));
    slow.link.stopReading();
    await writer.done(create('/a'));
    for (let i = 0; queuedBytes(slow) <= 10_000; i++) {
      await writer.done(setData('/a', ''));
      expect(i).toBeLessThan(1_000);
    }
    slow.send(ping);
    expect(slow.link.unreadBytes).toBeGreaterThan(0);
    expect(world.port.heldBytes).toBe(queuedBytes(slow));
    slow.link.startReading();
    await world.reach(() => slow.link.unreadBytes === 0);
    expect(isEvent(slow.takeFrames().at(-1)!)).toBe(false);
    expect(world.port.heldBytes).toBe(0);
  });

  it('is cut off in the middle of a transaction that has too much to tell', async () => {
    const world = await ServerWorld.start({ server: { limits: { outputBytesMax: 200_000 } } });
    const owner = await world.session();
    const watchers: WireClient[] = [];
    for (let i = 0; i < 5; i++) {
      const watcher = await world.session();
      await watcher.done(addWatch('/', AddWatchMode.persistentRecursive));
      watchers.push(watcher);
    }
    for (let i = 0; i < 10; i++) {
      const nodes = Array.from({ length: 1_000 }, (_, k) => createEphemeral(`/node-${i}-${k}`));
      const xids = owner.send(...nodes);
      await owner.replies(xids.length);
    }
    for (const watcher of watchers.slice(1)) {
      watcher.takeFrames();
      watcher.link.stopReading();
    }
    const [reader, ...silent] = watchers as [WireClient, ...WireClient[]];
    reader.takeFrames();
    await owner.done(closeSession);
    expect(silent.every(({ isClosed }) => isClosed)).toBe(true);
    expect(reader.takeFrames()).toHaveLength(10_000);
  });
});

describe('what the server holds for all clients together', () => {
  it('is bounded: whoever holds the most is cut off', async () => {
    const world = await worldWithLargeNode({ heldBytesMax: 8 * MEGABYTE });
    const modest = await world.session();
    modest.link.stopReading();
    modest.send(getData('/'));
    const greedy: WireClient[] = [];
    let most = 0;
    for (let i = 0; i < 40; i++) {
      const client = await world.session();
      client.link.stopReading();
      client.send(...Array.from({ length: 20 }, () => getData('/large')));
      greedy.push(client);
      most = Math.max(most, world.port.heldBytes);
    }
    expect(most).toBeLessThanOrEqual(8 * MEGABYTE + 2 * LARGE);
    expect(world.port.connectionsCut).toBeGreaterThan(30);
    expect(modest.isClosed).toBe(false);
    const held = [...world.port.connections].map(({ heldBytes }) => heldBytes);
    expect(world.port.heldBytes).toBe(held.reduce((sum, bytes) => sum + bytes, 0));
    expect(greedy.filter(({ isClosed }) => !isClosed).length).toBeGreaterThan(2);
  });

  it('counts requests that come in parts', async () => {
    const world = await ServerWorld.start({ server: { limits: { heldBytesMax: 4 * MEGABYTE } } });
    const other = await world.session();
    const half = Buffer.concat([Buffer.from([0, 0x0f, 0xff, 0xff]), new Uint8Array(600_000)]);
    for (let i = 0; i < 60; i++) (await world.session()).sendRaw(half);
    expect(world.port.heldBytes).toBeLessThanOrEqual(4 * MEGABYTE);
    expect((await other.call(getData('/'))).err).toBe(ErrorCode.ok);
  });

  it('counts requests that wait for a write', async () => {
    const world = await ServerWorld.start({ server: { limits: { heldBytesMax: 4 * MEGABYTE } } });
    const clients = await world.sessions(60);
    world.slowCommits(1_000, 'all');
    for (const [i, client] of clients.entries()) {
      client.send(create(`/n${i}`), sync('p'.repeat(200_000)));
    }
    expect(world.port.heldBytes).toBeGreaterThan(3 * MEGABYTE);
    expect(world.port.heldBytes).toBeLessThanOrEqual(4 * MEGABYTE);
    expect(world.port.connectionsCut).toBeGreaterThan(0);
  });

  it('is nothing again when everybody has taken everything', async () => {
    const world = await worldWithLargeNode();
    const client = await world.session();
    client.link.stopReading();
    client.send(getData('/large'));
    expect(world.port.heldBytes).toBe(queuedBytes(client));
    client.link.startReading();
    expect(client.pending).toBe(1);
    expect(world.port.heldBytes).toBe(0);
  });

  it('is nothing again when everybody has gone', async () => {
    const world = await worldWithLargeNode();
    const clients: WireClient[] = [];
    for (let i = 0; i < 10; i++) {
      const client = await world.session();
      client.link.stopReading();
      const large = { path: '/large', data: new Uint8Array(10), version: -1 };
      client.send(multi([{ type: OpCode.setData, request: large }]), getData('/large'));
      client.sendRaw(new Uint8Array([0, 0, 1, 0, 5]));
      clients.push(client);
    }
    await world.pass(100);
    expect(world.port.heldBytes).toBeGreaterThan(0);
    for (const client of clients) client.link.drop();
    await world.pass(100);
    expect(world.port.heldBytes).toBe(0);
  });
});
