import { beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { checkLogs, soundLogs } from './log-replay.js';
import { create, createContainer, createTtl, exists, remove, setData } from './requests.js';
import { ServerWorld } from './server-world.js';
import type { WireClient } from './wire-client.js';

const INTERVAL_MS = 1000;
const NEVER_USED_MS = 5000;
const TTL_MS = 3000;

let world: ServerWorld;
let client: WireClient;

beforeEach(async () => {
  const server = { reaperIntervalMs: INTERVAL_MS, containerNeverUsedMs: NEVER_USED_MS };
  world = await ServerWorld.start({ server });
  client = await world.session({ timeoutMs: 60_000 });
});

const isThere = async (path: string) => (await client.call(exists(path))).err === ErrorCode.ok;

describe('a container', () => {
  it('goes when it has lost its last child, and not before', async () => {
    await client.done(createContainer('/c'));
    await client.done(create('/c/one'));
    await client.done(create('/c/two'));
    await client.done(remove('/c/one'));
    await world.pass(3 * INTERVAL_MS);
    expect(await isThere('/c')).toBe(true);
    await client.done(remove('/c/two'));
    await world.pass(2 * INTERVAL_MS);
    expect(await isThere('/c')).toBe(false);
    expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
  });

  it('that never had a child has longer, and goes then', async () => {
    await client.done(createContainer('/c'));
    await world.pass(NEVER_USED_MS - INTERVAL_MS);
    expect(await isThere('/c')).toBe(true);
    await world.pass(3 * INTERVAL_MS);
    expect(await isThere('/c')).toBe(false);
  });

  it('stays when it was written after it was found due and before its end is logged', async () => {
    await client.done(createContainer('/c'));
    await world.pass(NEVER_USED_MS + INTERVAL_MS / 2);
    // The scan sees the old time, because the new one is on its way to the disk.
    world.slowCommits(2 * INTERVAL_MS);
    client.send(setData('/c', 'kept'));
    await world.pass(INTERVAL_MS);
    expect(world.port.writes.outstanding).toBeGreaterThan(1);
    await client.reply();
    await world.pass(INTERVAL_MS);
    expect(await isThere('/c')).toBe(true);
  });

  it('stays when it got a child in that time', async () => {
    await client.done(createContainer('/c'));
    await client.done(create('/c/one'));
    await client.done(remove('/c/one'));
    world.slowCommits(2 * INTERVAL_MS);
    client.send(create('/c/two'));
    await client.reply();
    await world.pass(INTERVAL_MS);
    expect(await isThere('/c/two')).toBe(true);
  });
});

describe('a node with a time to live', () => {
  it('goes when nobody wrote it for so long, and is renewed by a write', async () => {
    await client.done(createTtl('/t', TTL_MS));
    await world.pass(TTL_MS - INTERVAL_MS);
    await client.done(setData('/t', 'x'));
    await world.pass(TTL_MS - INTERVAL_MS / 2);
    expect(await isThere('/t')).toBe(true);
    await world.pass(2 * INTERVAL_MS);
    expect(await isThere('/t')).toBe(false);
  });

  it('stays while it has children', async () => {
    await client.done(createTtl('/t', TTL_MS));
    await client.done(create('/t/child'));
    await world.pass(3 * TTL_MS);
    expect(await isThere('/t')).toBe(true);
    await client.done(remove('/t/child'));
    await world.pass(2 * INTERVAL_MS);
    expect(await isThere('/t')).toBe(false);
  });

  it('keeps its time over a restart', async () => {
    await client.done(createTtl('/t', TTL_MS));
    await world.pass(TTL_MS - INTERVAL_MS);
    await world.restart({ streams: 'reset', unsynced: 'lost' });
    client = await world.session(client.credentials);
    expect(await isThere('/t')).toBe(true);
    await world.pass(3 * INTERVAL_MS);
    expect(await isThere('/t')).toBe(false);
  });
});

describe('many nodes that are due', () => {
  it('go no faster than so many per minute', async () => {
    const server = { reaperIntervalMs: INTERVAL_MS, reapedPerMinuteMax: 600 };
    world = await ServerWorld.start({ server });
    client = await world.session({ timeoutMs: 60_000 });
    const xids = client.send(...Array.from({ length: 50 }, (_, i) => createTtl(`/t${i}`, 1)));
    await client.replies(xids.length);
    const left = () => world.port.tree.ttls.size;
    expect(left()).toBe(50);
    for (let before = left(); before > 0; before = left()) {
      await world.pass(INTERVAL_MS);
      expect(before - left()).toBeLessThanOrEqual(10);
    }
  });
});
