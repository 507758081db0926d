import { describe, expect, it } from '@jest/globals';
import { AddWatchMode, ErrorCode, OpCode, getChildrenResponse } from '@aviary/protocol';
import { LIMITS_DEFAULT } from '@aviary/server';
import { checkLogs, soundLogs } from '../log-replay.js';
import {
  addWatch,
  create,
  createEphemeral,
  exists,
  getAllChildrenNumber,
  getChildren,
  getData,
  multi,
  ping,
  remove,
  setData,
} from '../requests.js';
import { ServerWorld, type ServerWorldOptions } from '../server-world.js';
import { requestFrame, type WireClient } from '../wire-client.js';

const MEGABYTE = 1 << 20;

const limited = (limits: NonNullable<ServerWorldOptions['server']>['limits'] = {}) =>
  ServerWorld.start({ server: { limits, tickTimeMs: 500 } });

function figure(world: ServerWorld, name: string): Promise<number> {
  const client = world.connect();
  let text = '';
  client.link.whenReceived((bytes) => (text += Buffer.from(bytes).toString()));
  client.sendRaw(Buffer.from('mntr'));
  return client.closed().then(() => Number(new RegExp(`^zk_${name}\t(.*)$`, 'm').exec(text)?.[1]));
}

describe('reliability, overload:', () => {
  it('request flood: what is in flight is capped per connection and in all, and who asks little is served', async () => {
    const world = await limited({ outstandingPerConnectionMax: 100, outstandingMax: 300 });
    world.slowCommits(5, 'all');
    const [modest, ...greedy] = (await world.sessions(21)) as [WireClient, ...WireClient[]];
    await modest.done(create('/a'));
    let sent = 0;
    for (let round = 0; round < 20; round++) {
      for (const client of greedy)
        sent += client.send(...Array.from({ length: 50 }, () => setData('/a', 'x'))).length;
      expect(world.port.writes.outstanding).toBeLessThan(300 + greedy.length * 50);
      const startedMs = world.world.virtualMs;
      await modest.done(getData('/a'));
      await modest.done(ping);
      expect(world.world.virtualMs - startedMs).toBeLessThan(1);
    }
    expect(greedy.some(({ link }) => link.unreadBytes > 0)).toBe(true);
    await world.reach(() => greedy.reduce((sum, { pending }) => sum + pending, 0) === sent);
  });

  it('large requests: sixty that are half sent cost what has arrived of them, within the limit for all', async () => {
    const world = await limited({ heldBytesMax: 16 * MEGABYTE });
    const clients = await world.sessions(60);
    const half = requestFrame(1, create('/a', { data: new Uint8Array(MEGABYTE - 1000) })).subarray(
      0,
      MEGABYTE / 2,
    );
    for (const [i, client] of clients.entries()) {
      client.sendRaw(half.subarray(0, 10));
      if (i === 0) expect(world.port.heldBytes).toBe(10);
      client.sendRaw(half.subarray(10));
      expect(world.port.heldBytes).toBeLessThanOrEqual(16 * MEGABYTE);
    }
    expect(await figure(world, 'connections_cut')).toBeGreaterThan(20);
    expect((await (await world.session()).call(getData('/'))).err).toBe(ErrorCode.ok);
  });

  it('answers nobody reads: their reader is read no further, and dropped when it reads nothing for its timeout', async () => {
    const world = await limited({ outputHighBytes: 100_000 });
    const [writer, silent] = (await world.sessions(2)) as [WireClient, WireClient];
    await writer.done(create('/a', { data: new Uint8Array(50_000) }));
    silent.link.stopReading();
    for (let i = 0; i < 200; i++) silent.send(getData('/a'));
    expect(world.port.heldBytes).toBeLessThan(200_000);
    expect(silent.link.unreadBytes).toBeGreaterThan(1000);
    for (let i = 0; i < 30; i++) {
      await world.pass(1000);
      await writer.done(ping);
    }
    expect([silent.isClosed, world.port.heldBytes]).toEqual([true, 0]);
  });

  it('unread watch events: the connection goes, and never single events', async () => {
    const world = await limited({ outputBytesMax: 20_000 });
    const [writer, silent] = (await world.sessions(2)) as [WireClient, WireClient];
    await silent.done(addWatch('/', AddWatchMode.persistentRecursive));
    await writer.done(create('/a'));
    silent.takeFrames();
    silent.link.stopReading();
    let most = 0;
    while (!silent.isClosed) {
      await writer.done(setData('/a', ''));
      most = Math.max(most, silent.link.server.queuedBytes);
    }
    expect(most).toBeGreaterThan(19_000);
    expect(most).toBeLessThanOrEqual(20_000);
  });

  it('connection flood, reconnect storm: caps are on by default, and sessions are taken up when no new one is made', async () => {
    expect(LIMITS_DEFAULT.connectionsPerAddressMax).toBeGreaterThan(0);
    expect(LIMITS_DEFAULT.connectionsMax).toBeGreaterThan(0);
    expect(LIMITS_DEFAULT.sessionsMax).toBeGreaterThan(0);
    const world = await limited({
      connectionsPerAddressMax: 20,
      connectionsMax: 50,
      sessionsMax: 30,
    });
    const here = Array.from({ length: 30 }, () => world.connect());
    await world.pass(1);
    expect(here.filter(({ isClosed }) => isClosed)).toHaveLength(10);
    const elsewhere = Array.from({ length: 60 }, (_, i) => world.connect(`10.0.0.${i}`));
    await world.pass(1);
    expect(elsewhere.filter(({ isClosed }) => !isClosed)).toHaveLength(30);
    expect(await figure(world, 'connection_rejected').catch(() => NaN)).toBeNaN();
    expect(world.port.connectionsRejected).toBeGreaterThanOrEqual(40);
    for (const client of [...here, ...elsewhere]) client.link.drop();
    await world.pass(1);
    const clients = await world.sessions(20);
    for (const client of clients) client.link.drop();
    await world.pass(1);
    clients.push(...(await world.sessions(10)));
    clients.forEach(({ link }) => link.drop());
    await world.pass(1);
    const stranger = world.connect();
    stranger.offer();
    await stranger.closed();
    expect(stranger.pending).toBe(0);
    for (const { credentials } of clients.slice(0, 19)) {
      expect(await world.connect().handshake(credentials)).toMatchObject(credentials);
    }
  });

  it('session churn: a session that nobody holds goes after its timeout, and leaves nothing', async () => {
    const world = await limited();
    for (let i = 0; i < 300; i++) {
      const client = await world.session({ timeoutMs: 1000 });
      client.send(createEphemeral(`/e${i}`));
      client.link.drop();
      await world.pass(10);
      expect(world.port.sessions.size).toBeLessThan(200);
    }
    await world.pass(3000);
    const { sessions, tree, connections } = world.port;
    expect([sessions.size, tree.sessions.size, tree.ephemeralCount, connections.size]).toEqual([
      0, 0, 0, 0,
    ]);
    expect(await figure(world, 'stale_sessions_expired')).toBe(300);
  });

  it('watch count: it has a limit in bytes and a metric, and one more is refused with a defined error', async () => {
    const world = await limited({ watchBytesPerConnectionMax: 1000 });
    const client = await world.session();
    let last = 0;
    for (let i = 0; i < 10; i++) last = (await client.call(exists(`/n${i}`, true))).err;
    expect(last).toBe(ErrorCode.quotaExceeded);
    expect(await figure(world, 'watch_bytes')).toBeGreaterThanOrEqual(1000);
    expect(await figure(world, 'watch_count')).toBe(5);
  });

  it('znode count: nodes and bytes have limits and metrics, one more is refused, and making room is not', async () => {
    for (const limits of [{ znodesMax: 10 }, { contentBytesMax: 2000 }]) {
      const world = await limited(limits);
      const client = await world.session();
      const errors: number[] = [];
      for (let i = 0; i < 10; i++) {
        errors.push((await client.call(create(`/n${i}`, { data: 'x'.repeat(400) }))).err);
      }
      expect(errors.slice(0, 4)).toEqual([0, 0, 0, 0]);
      expect(errors.at(-1)).toBe(ErrorCode.quotaExceeded);
      const part = {
        type: OpCode.setData,
        request: { path: '/n0', data: null, version: -1 },
      } as const;
      expect((await client.call(multi([part]))).err).toBe(ErrorCode.quotaExceeded);
      expect((await client.call(remove('/n0'))).err).toBe(ErrorCode.ok);
      expect((await client.call(create('/n0'))).err).toBe(ErrorCode.ok);
      expect(await figure(world, 'znode_count')).toBe(world.port.tree.nodes.size);
      expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
    }
  });

  it('big children lists: a reply that many clients cannot read is counted, and the log names its node', async () => {
    const world = await limited({ frameBytesMax: 2000 });
    const client = await world.session();
    await client.done(create('/big'));
    for (let i = 0; i < 100; i++) await client.done(create(`/big/${'n'.repeat(20)}${i}`));
    const { children } = (await client.done(getChildren('/big'))).as(getChildrenResponse);
    expect(children).toHaveLength(100);
    await client.done(getChildren('/big'));
    expect(await figure(world, 'large_replies')).toBe(2);
    const told = world.log.facts.filter((facts) => facts.path === '/big');
    expect(told).toHaveLength(1);
  });

  it('deep trees: fifteen hundred levels are made, counted, kept over a restart and can be removed', async () => {
    const world = await limited();
    const client = await world.session();
    const paths: string[] = [];
    for (let depth = 1; depth <= 1500; depth++) paths.push('/d'.repeat(depth));
    for (let at = 0; at < paths.length; at += 100) {
      const xids = client.send(...paths.slice(at, at + 100).map((path) => create(path)));
      for (const { err } of await client.replies(xids.length)) expect(err).toBe(ErrorCode.ok);
    }
    await client.done(getAllChildrenNumber('/'));
    await world.restart({ streams: 'reset', unsynced: 'lost' });
    const again = await world.session(client.credentials);
    expect((await again.done(getAllChildrenNumber('/d'))).body).toEqual(
      Buffer.from([0, 0, 5, 0xdb]),
    );
    expect((await again.call(remove('/d'))).err).toBe(ErrorCode.notEmpty);
    for (const path of paths.slice(-100).reverse()) again.send(remove(path));
    await world.reach(() => again.pending === 100);
    expect(world.port.tree.nodes.size).toBe(4 + 1400);
  });
});
