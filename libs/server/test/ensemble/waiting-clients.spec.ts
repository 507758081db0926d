import { describe, expect, it } from '@jest/globals';
import { statResponse } from '@aviary/protocol';
import { LIMITS_DEFAULT } from '@aviary/server';
import {
  create,
  createEphemeral,
  exists,
  getData,
  ping,
  setData,
  sync,
  type Request,
} from '../requests.js';
import type { Reply, WireClient } from '../wire-client.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

const FLIGHT = 40;

/** Three members, and a client of one that does not lead. */
async function clientOfSurvivor(seed = 1): Promise<{
  world: EnsembleWorld;
  leader: TestMember;
  survivor: TestMember;
  client: WireClient;
}> {
  const world = await EnsembleWorld.start({ seed });
  const { follower: survivor, leader } = world;
  const client = await world.session(survivor);
  await client.done(create('/counter'));
  return { world, leader, survivor, client };
}

const versionOf = (reply: Reply): number => reply.as(statResponse).stat.version;

/** Kills the leader when so many writes of the client are proposed. */
async function killAt(leader: TestMember, proposed: number, world: EnsembleWorld): Promise<void> {
  const before = leader.server.state.lastLogged;
  await world.reach(() => leader.server.state.lastLogged >= before + proposed);
  leader.kill();
}

describe('a client of a member that loses its leader', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'gets every answer once and in order, as if nothing had been (seed %i)',
    async (seed) => {
      const { world, leader, client } = await clientOfSurvivor(seed);
      client.send(...Array.from({ length: FLIGHT }, (_, i) => setData('/counter', `${i}`)));
      await killAt(leader, seed % 2 === 0 ? 1 : 0, world);
      const versions = (await client.replies(FLIGHT)).map(versionOf);
      expect(versions).toEqual(Array.from({ length: FLIGHT }, (_, i) => i + 1));
      expect(client.isClosed).toBe(false);
    },
  );

  it('gets them also where it has sent more than may be under way', async () => {
    const { world, leader, client } = await clientOfSurvivor();
    const count = LIMITS_DEFAULT.outstandingPerConnectionMax + 500;
    client.send(...Array.from({ length: count }, (_, i) => setData('/counter', `${i}`)));
    await killAt(leader, 1, world);
    const versions = (await client.replies(count)).map(versionOf);
    expect(versions).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  });

  it.each([1, 2, 3, 4])(
    'waits for the next but one if the next is lost, too (seed %i)',
    async (seed) => {
      const world = await EnsembleWorld.start({ seed, voters: [1, 2, 3, 4, 5] });
      const survivor = world.member(1);
      const { leader } = world;
      const client = await world.session(survivor);
      await client.done(create('/counter'));
      client.send(...Array.from({ length: FLIGHT }, (_, i) => setData('/counter', `${i}`)));
      await killAt(leader, 1, world);
      const heirs = [2, 3, 4, 5].map((id) => world.member(id)).filter((each) => each !== leader);
      const opens = ({ isAlive, server }: TestMember) => isAlive && server.epochs.current > 1;
      await world.reach(() => heirs.some(opens));
      const heir = heirs.find(opens)!;
      expect(survivor.server.mode).toBe('looking');
      heir.kill();
      const versions = (await client.replies(FLIGHT)).map(versionOf);
      expect(versions).toEqual(Array.from({ length: FLIGHT }, (_, i) => i + 1));
      expect(client.isClosed).toBe(false);
    },
  );

  it('has its syncs and its reads answered between its writes', async () => {
    const { world, leader, client } = await clientOfSurvivor();
    const flight: Request[] = [];
    for (let i = 0; i < 10; i++) {
      flight.push(setData('/counter', `${i}`), sync('/'), getData('/counter'));
    }
    const xids = client.send(...flight);
    await killAt(leader, 0, world);
    const replies = await client.replies(flight.length);
    expect(replies.map(({ xid }) => xid)).toEqual(xids);
    expect(replies.every(({ err }) => err === 0)).toBe(true);
  });

  it('keeps its session, its ephemeral nodes and its watches', async () => {
    const { world, leader, client } = await clientOfSurvivor();
    await client.done(createEphemeral('/here'));
    await client.call(exists('/news', true));
    leader.kill();
    const others = [...world.members.values()].filter((member) => member !== leader);
    await world.reach(() => others.some(({ server }) => server.mode === 'leader'));
    await world.settle();
    for (let i = 0; i < 20; i++) {
      await world.pass(1000);
      await client.done(ping);
    }
    const other = await world.session(world.leader);
    await other.done(sync('/'));
    await other.done(getData('/here'));
    await other.done(create('/news'));
    expect((await client.event()).path).toBe('/news');
  });

  it('may lead itself: its clients go on all the same', async () => {
    const world = await EnsembleWorld.start();
    const survivors = [...world.members.values()].filter((member) => member !== world.leader);
    const clients: WireClient[] = [];
    for (const member of survivors) clients.push(await world.session(member));
    await clients[0]!.done(create('/counter'));
    for (const client of clients) client.send(setData('/counter', ''), setData('/counter', ''));
    world.leader.kill();
    const replies: Reply[] = [];
    for (const client of clients) replies.push(...(await client.replies(2)));
    const versions = replies.map(versionOf);
    expect(versions.sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    expect(survivors).toContain(world.leader);
  });

  it('is cut off soon where there is no majority: another server may have one', async () => {
    const { world, survivor, client } = await clientOfSurvivor();
    for (const member of world.members.values()) if (member !== survivor) member.kill();
    await world.reach(() => client.isClosed, 1000);
    expect(client.pending).toBe(0);
  });

  it('is cut off where its member was only cut off from a leader that goes on', async () => {
    const { world, leader, survivor, client } = await clientOfSurvivor();
    world.world.fabric.resetBetween(leader.host.name, survivor.host.name);
    await client.closed();
    await world.settle();
    expect(world.leader).toBe(leader);
  });

  it('is cut off, and told nothing, where its member has to take another history', async () => {
    const { world, leader, survivor, client } = await clientOfSurvivor();
    const [third] = [...world.members.values()].filter((m) => m !== leader && m !== survivor);
    world.world.partition([survivor.host.name], [third!.host.name]);
    world.world.partition([leader.host.name], [third!.host.name]);
    await world.reach(() => third!.server.mode === 'looking');
    client.send(...Array.from({ length: FLIGHT }, () => setData('/counter', 'lost')));
    leader.kill();
    world.world.heal();
    await world.reach(() => client.isClosed || client.pending === FLIGHT);
    const answered = client.takeFrames().length;
    await world.settle();
    const check = await world.session(world.leader);
    const { version } = (await check.done(exists('/counter'))).as(statResponse).stat;
    expect(answered === 0 || version === FLIGHT).toBe(true);
  });
});
