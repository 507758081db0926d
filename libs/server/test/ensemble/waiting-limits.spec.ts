import { describe, expect, it } from '@jest/globals';
import { LIMITS_DEFAULT, type ClientPort, type ServerLimits } from '@aviary/server';
import { create, getData, setData } from '../requests.js';
import type { WireClient } from '../wire-client.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

const LARGE = 'x'.repeat(10_000);
const WAIT_MS = 500;

interface Scene {
  readonly world: EnsembleWorld;
  readonly leader: TestMember;
  readonly survivor: TestMember;
  readonly port: ClientPort;
  readonly client: WireClient;
}

/** Three members, and a client of one that does not lead. */
async function sceneWith(limits: Partial<ServerLimits> = {}): Promise<Scene> {
  const server = { limits: { ...LIMITS_DEFAULT, ...limits } };
  const world = await EnsembleWorld.start({ server });
  const { follower: survivor, leader } = world;
  const client = await world.session(survivor);
  await client.done(create('/large', { data: LARGE }));
  return { world, leader, survivor, client, port: survivor.server.monitor! };
}

/** Every disk takes `ms` to sync: with many of them nothing is committed before the leader dies. */
function slowDown({ members }: EnsembleWorld, ms: number): void {
  for (const { host } of members.values()) {
    host.drive.model = { ...host.drive.model, syncDelay: { minMs: ms, maxMs: ms } };
  }
}

/** A write of the client is in the log of its member, and its leader is gone. */
async function writeAndLose({ client, leader, survivor, world }: Scene): Promise<void> {
  const before = survivor.server.state.lastLogged;
  client.send(setData('/large', LARGE), ...Array.from({ length: 40 }, () => getData('/large')));
  await world.reach(() => survivor.server.state.lastLogged > before);
  leader.kill();
}

describe('what a member holds for clients that wait for a leader', () => {
  it('is counted as held, and no more when they go on', async () => {
    const { client, leader, port, world } = await sceneWith();
    leader.kill();
    await world.reach(() => port.isMuted);
    client.send(setData('/large', LARGE), getData('/large'));
    expect(port.heldBytes).toBeGreaterThan(LARGE.length);
    expect(port.isMuted).toBe(true);
    await client.replies(2);
    await world.pass(10);
    expect(port.heldBytes).toBe(0);
  });

  it('has its answers among it', async () => {
    const scene = await sceneWith();
    const { client, port, world } = scene;
    slowDown(world, 60);
    await writeAndLose(scene);
    await world.reach(() => port.heldBytes > 40 * LARGE.length);
    expect(port.isMuted).toBe(true);
    slowDown(world, 1);
    expect((await client.replies(41)).every(({ err }) => err === 0)).toBe(true);
    await world.pass(10);
    expect(port.heldBytes).toBe(0);
  });

  it('has a limit for each: who has asked for too much is cut off', async () => {
    const scene = await sceneWith({ outputBytesMax: 10 * LARGE.length });
    const { client, port, survivor, world } = scene;
    slowDown(world, 60);
    await writeAndLose(scene);
    await client.closed();
    expect([port.connectionsCut, client.pending, port.heldBytes]).toEqual([1, 0, 0]);
    expect(survivor.warnings.join()).toContain('than is kept while there is no leader');
  });

  it('is held for half a second, however long the disk takes', async () => {
    const { client, leader, survivor, world } = await sceneWith();
    const nobody = [...world.members.values()].filter((member) => member !== survivor);
    const { drive } = survivor.host;
    drive.model = { ...drive.model, syncDelay: { minMs: 3000, maxMs: 3000 } };
    const before = survivor.server.state.lastLogged;
    client.send(setData('/large', LARGE));
    await world.reach(() => survivor.server.state.lastLogged > before);
    const sinceMs = world.world.virtualMs;
    for (const member of nobody) member.kill();
    await client.closed();
    expect(leader.isAlive).toBe(false);
    expect(world.world.virtualMs - sinceMs).toBeLessThan(WAIT_MS + 100);
    // Who comes meanwhile waits, too, and is not sent away.
    const visitor = world.connect(survivor, 2181, Buffer.from('srvr'));
    await world.reach(() => visitor.isClosed);
    expect(survivor.server.mode).toBe('looking');
    expect(Buffer.from(visitor.received).toString()).toContain('not currently serving');
  });
});

describe('what a member keeps of writes that it has sent to its leader', () => {
  it('is limited in bytes: clients are read no further until some are done', async () => {
    const { client, leader, survivor, world } = await sceneWith({
      outstandingBytesMax: 5 * LARGE.length,
    });
    world.world.cutOneWay(survivor.host.name, leader.host.name);
    for (let i = 0; i < 20; i++) client.send(setData('/large', LARGE));
    expect(client.link.unreadBytes).toBeGreaterThan(10 * LARGE.length);
    world.world.heal();
    expect((await client.replies(20)).every(({ err }) => err === 0)).toBe(true);
    expect(client.link.unreadBytes).toBe(0);
  });
});
