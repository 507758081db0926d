import { describe, expect, it } from '@jest/globals';
import { ErrorCode, WatchEventType } from '@aviary/protocol';
import { loggedTransactions } from './log-replay.js';
import {
  closeSession,
  create,
  createEphemeral,
  exists,
  getChildren,
  getData,
  ping,
} from './requests.js';
import { ServerWorld } from './server-world.js';

const TICK_MS = 500;
const TIMEOUT_MS = 2_000;
/** A timer is at most a turn of the event loop late. */
const TURN_MS = 1;

const start = (seed = 1) => ServerWorld.start({ seed, server: { tickTimeMs: TICK_MS } });

describe('a session expires', () => {
  it('later than its timeout and at most a tick after it, whenever it was last heard of', async () => {
    const world = await start();
    for (let phase = 0; phase < 40; phase++) {
      await world.pass((phase * 137) % 500);
      const client = await world.session({ timeoutMs: TIMEOUT_MS });
      await client.done(getData('/'));
      const heardMs = world.world.virtualMs;
      const { sessionsExpired } = world.port.role;
      await world.reach(() => world.port.role.sessionsExpired > sessionsExpired);
      const silentMs = world.world.virtualMs - heardMs;
      expect(silentMs).toBeGreaterThan(TIMEOUT_MS);
      expect(silentMs).toBeLessThanOrEqual(TIMEOUT_MS + TICK_MS + TURN_MS);
    }
  });

  it('never while its client pings, and the ping is answered with the last zxid', async () => {
    const world = await start();
    const client = await world.session({ timeoutMs: TIMEOUT_MS });
    for (let pings = 0; pings < 20; pings++) {
      await world.pass(TIMEOUT_MS - TICK_MS);
      expect(await client.call(ping)).toMatchObject({ xid: -2, zxid: 1, err: ErrorCode.ok });
    }
    expect(client.isClosed).toBe(false);
  });

  it('by the timeout of the last handshake, shorter or longer', async () => {
    const world = await start();
    const first = await world.session({ timeoutMs: 8_000 });
    const second = await world.session({ ...first.credentials, timeoutMs: 1_000 });
    const shortenedMs = world.world.virtualMs;
    await second.closed();
    expect(world.world.virtualMs - shortenedMs).toBeLessThanOrEqual(1_000 + TICK_MS + TURN_MS);

    const third = await world.session({ timeoutMs: 1_000 });
    const fourth = await world.session({ ...third.credentials, timeoutMs: 8_000 });
    const lengthenedMs = world.world.virtualMs;
    await fourth.closed();
    expect(world.world.virtualMs - lengthenedMs).toBeGreaterThan(8_000);
  });

  it('without a frame; its ephemeral nodes go in one transaction, and watches on them fire', async () => {
    const world = await start();
    const client = await world.session({ timeoutMs: TIMEOUT_MS });
    const watcher = await world.session({ timeoutMs: 10_000 });
    await client.done(create('/a'));
    await client.done(createEphemeral('/a/one'));
    await client.done(createEphemeral('/a/two'));
    await watcher.done(getData('/a/one', true));
    await watcher.done(exists('/a/two', true));
    await watcher.done(getChildren('/a', true));
    await client.closed();
    expect(client.pending).toBe(0);
    const events = [await watcher.event(), await watcher.event(), await watcher.event()];
    const { zxid } = world;
    expect(events.map(({ zxid: of }) => of)).toEqual([zxid, zxid, zxid]);
    const told = events.map(({ type, path }) => [type, path]);
    expect(told).toEqual(
      expect.arrayContaining([
        [WatchEventType.nodeDeleted, '/a/one'],
        [WatchEventType.nodeDeleted, '/a/two'],
        [WatchEventType.nodeChildrenChanged, '/a'],
      ]),
    );
    const last = (await loggedTransactions(world.host.drive)).at(-1);
    expect(last).toMatchObject({ header: { type: -11, clientId: client.credentials.sessionId } });
    expect(world.port.tree.ephemeralCount).toBe(0);
  });

  it('also when it was never heard of since the server started', async () => {
    const world = await start();
    const client = await world.session({ timeoutMs: TIMEOUT_MS });
    await client.done(createEphemeral('/mine'));
    await world.restart({ streams: 'reset', unsynced: 'lost' });
    const startedMs = world.world.virtualMs;
    expect(world.port.tree.ephemeralCount).toBe(1);
    await world.reach(() => world.port.tree.ephemeralCount === 0);
    const livedMs = world.world.virtualMs - startedMs;
    expect(livedMs).toBeGreaterThan(TIMEOUT_MS - TICK_MS);
    expect(world.port.tree.sessions.size).toBe(0);
  });
});

describe('a session that its client closes', () => {
  it('is gone with its ephemeral nodes before the reply, and then the connection closes', async () => {
    const world = await start();
    const client = await world.session();
    const watcher = await world.session();
    await client.done(createEphemeral('/mine'));
    await watcher.done(exists('/mine', true));
    const reply = await client.done(closeSession);
    expect(reply.zxid).toBe(world.zxid);
    await client.closed();
    expect(await watcher.event()).toEqual({
      type: WatchEventType.nodeDeleted,
      path: '/mine',
      zxid: reply.zxid,
    });
    expect(world.port.sessions.size).toBe(1);
  });

  it('hears nothing of what it sent behind the end, reads and writes alike', async () => {
    const world = await start();
    const client = await world.session();
    const before = world.zxid;
    client.send(closeSession, create('/never'), getData('/'), create('/never/ever'));
    expect((await client.reply()).err).toBe(ErrorCode.ok);
    await client.closed();
    expect(client.pending).toBe(0);
    expect(world.zxid).toBe(before + 1);
  });

  it('is closed once, however long the disk takes', async () => {
    const world = await start();
    const client = await world.session({ timeoutMs: 1_000 });
    world.slowCommits(10_000);
    client.send(closeSession);
    const reply = await client.reply();
    expect([reply.err, reply.zxid]).toEqual([ErrorCode.ok, 2]);
    await world.pass(10_000);
    expect([world.zxid, world.port.role.sessionsExpired]).toEqual([2, 0]);
  });
});

describe('a pause of the server', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'costs no session, since nobody could be heard meanwhile (seed %i)',
    async (seed) => {
      const world = await start(seed);
      const client = await world.session({ timeoutMs: TIMEOUT_MS });
      for (const pauseMs of [100, TIMEOUT_MS, 3_600_000]) {
        await client.done(ping);
        await world.pass(TIMEOUT_MS - TICK_MS);
        world.process.pause();
        await world.pass(pauseMs);
        world.process.resume();
        // As good as at once: the client pings by its own clock.
        await world.pass(TICK_MS / 2);
        await client.done(ping);
      }
      expect(world.port.role.sessionsExpired).toBe(0);
    },
  );

  it('delays the end of a session that is silent by little more than itself', async () => {
    const world = await start();
    const client = await world.session({ timeoutMs: TIMEOUT_MS });
    await world.pass(TIMEOUT_MS - TICK_MS);
    world.process.pause();
    await world.pass(60_000);
    world.process.resume();
    const resumedMs = world.world.virtualMs;
    await client.closed();
    expect(world.world.virtualMs - resumedMs).toBeLessThan(4 * TICK_MS);
  });
});

describe('the wall clock', () => {
  it.each([-86_400_000, 86_400_000])('may step by %i ms without ending a session', async (byMs) => {
    const world = await start();
    const client = await world.session({ timeoutMs: TIMEOUT_MS });
    world.host.stepWallClock(byMs);
    await world.pass(TIMEOUT_MS - TICK_MS);
    await client.done(ping);
    await world.pass(TIMEOUT_MS - TICK_MS);
    expect((await client.done(ping)).err).toBe(ErrorCode.ok);
  });
});
