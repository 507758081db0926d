import { describe, expect, it } from '@jest/globals';
import { create, exists, setData, sync } from '../requests.js';
import { EnsembleWorld } from './ensemble-world.js';

const VOTERS = [1, 2, 3, 4, 5];
/** Two places with two servers each, and one that tips the scales. */
const THREE_GROUPS = ['group.1=1:2', 'group.2=3:4', 'group.3=5'];
/** Longer than members need to find a leader, or to give one up. */
const LONG_MS = 10_000;

/** An ensemble in groups, of which only `running` run. */
async function start(lines: readonly string[], running = VOTERS): Promise<EnsembleWorld> {
  const world = new EnsembleWorld({ voters: VOTERS, lines });
  for (const id of running) world.member(id).boot();
  if (running.length === VOTERS.length) await world.settle();
  else await world.pass(LONG_MS);
  return world;
}

const modesOf = (world: EnsembleWorld) =>
  [...world.members.values()].map((each) => (each.isAlive ? each.server.mode : 'dead'));

async function kill(world: EnsembleWorld, ids: readonly number[]): Promise<void> {
  for (const id of ids) world.member(id).kill();
  await world.pass(LONG_MS);
}

async function expectWrites(world: EnsembleWorld, path: string): Promise<void> {
  await world.settle();
  const writer = await world.session(world.follower);
  await writer.done(create(path));
  const reader = await world.session(world.leader);
  await reader.done(sync(path));
  await reader.done(exists(path));
}

const nobodyServes = (world: EnsembleWorld) =>
  modesOf(world).every((mode) => mode === 'looking' || mode === 'dead');

describe('five members in groups', () => {
  it('elect a leader and serve', async () => {
    const world = await start(THREE_GROUPS);
    expect(modesOf(world).sort()).toEqual([
      ...['follower', 'follower', 'follower', 'follower', 'leader'],
    ]);
    await expectWrites(world, '/all');
  });

  it.each([
    ['a group of two', [1, 2]],
    ['the group of one', [5]],
  ])('lose %s and go on', async (_what, lost) => {
    const world = await start(THREE_GROUPS);
    await expectWrites(world, '/before');
    await kill(world, lost);
    await expectWrites(world, '/after');
    const client = await world.session(world.follower);
    await client.done(exists('/before'));
  });

  it('stop when they lose one server of each group of two, and go on when one is back', async () => {
    const world = await start(THREE_GROUPS);
    await kill(world, [1, 4]);
    expect(nobodyServes(world)).toBe(true);
    world.member(1).boot();
    await expectWrites(world, '/after');
  });

  it('are not led by three of five that are most of no two groups', async () => {
    const world = await start(THREE_GROUPS, [1, 3, 5]);
    expect(nobodyServes(world)).toBe(true);
    world.member(4).boot();
    await expectWrites(world, '/with-a-second-group');
  });

  it('commit nothing that only most servers have, and not most groups', async () => {
    const world = await start(THREE_GROUPS, [1, 2, 5]);
    expect(world.leader.id).toBe(5);
    await expectWrites(world, '/before');
    const client = await world.session(world.leader);
    world.world.partition(['m1'], ['m2', 'm5']);
    world.member(3).boot();
    client.send(setData('/before', 'lost'));
    await world.pass(100);
    expect(client.pending).toBe(0);
    await world.reach(() => client.isClosed);
    world.world.heal();
    await expectWrites(world, '/after');
  });

  it('go on by weight: who has none decides nothing', async () => {
    const lines = ['group.1=1:2:3:4:5', 'weight.1=3', 'weight.4=0', 'weight.5=0'];
    const world = await start(lines);
    await kill(world, [2, 3]);
    await expectWrites(world, '/by-the-heavy');
    for (const id of [2, 3]) world.member(id).boot();
    await world.settle();
    await kill(world, [1]);
    expect(nobodyServes(world)).toBe(true);
  });
});
