import { describe, expect, it } from '@jest/globals';
import { create, getData } from '../requests.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

const EMPTY = 'leads with an empty history';
const LOST = 'most of the servers have lost their data';

async function write(world: EnsembleWorld, ...paths: readonly string[]): Promise<void> {
  const client = await world.session(world.leader);
  for (const path of paths) await client.done(create(path));
  client.link.drop();
  await world.pass(100);
}

async function has(world: EnsembleWorld, member: TestMember, path: string): Promise<boolean> {
  const client = await world.session(member);
  const { err } = await client.call(getData(path));
  client.link.drop();
  return err === 0;
}

const linesOf = ({ log }: TestMember, text: string) =>
  log.lines.filter((line) => line.includes(text));

const pathsOf = ({ host }: TestMember) => host.drive.paths();

function killAll(world: EnsembleWorld): void {
  for (const member of world.members.values()) if (member.isAlive) member.kill();
}

/** Servers 1 and 2 have lost their disks and elect a leader; 3 has what was written before. */
async function lostMajority(rounds: number): Promise<EnsembleWorld> {
  const world = await EnsembleWorld.start();
  await write(world, '/a', '/b', '/c');
  killAll(world);
  for (const id of [1, 2]) world.wipe(world.member(id));
  for (let round = 0; round < rounds; round++) {
    killAll(world);
    for (const id of [1, 2]) world.member(id).boot();
    await world.settle();
  }
  return world;
}

/** Server 3 has served what was written, when the others lose their disks and elect a leader. */
async function lostAroundSurvivor(): Promise<EnsembleWorld> {
  const world = await EnsembleWorld.start();
  await write(world, '/a');
  const others = [world.member(1), world.member(2)];
  for (const member of others) {
    member.kill();
    world.wipe(member);
    world.world.partition(['m3'], [member.host.name]);
    member.boot();
  }
  await world.reach(() => others.every(({ isServing }) => isServing));
  world.world.heal();
  await world.reach(() => !world.member(3).isServing);
  await world.settle();
  return world;
}

describe('a majority without data', () => {
  it.each([1, 4])('says so whenever it elects a leader (%i times)', async (rounds) => {
    const world = await lostMajority(rounds);
    expect(linesOf(world.leader, EMPTY)).toHaveLength(rounds);
  });

  it('in a later epoch is told of by a survivor, with what to do', async () => {
    const world = await lostMajority(4);
    const survivor = world.member(3);
    survivor.boot();
    await world.settle();
    const [line, ...more] = linesOf(survivor, LOST);
    expect(more).toEqual([]);
    expect(line).toMatch(
      /^warn Server 2 leads with a history that ended at 0x0, but here, .* up to 0x10000000\d are logged: .*stop all members now/,
    );
  });

  it('does not take from a survivor what it knows to be committed: that is put aside', async () => {
    const world = await lostAroundSurvivor();
    const survivor = world.member(3);
    expect(linesOf(survivor, LOST)).toEqual([
      expect.stringMatching(/^error Server 2 leads .* are committed: .*damaged-1/),
    ]);
    expect(pathsOf(survivor)).toContain('/data/version-2/damaged-1/log.100000001');
    await write(world, '/new');
    expect(await has(world, survivor, '/new')).toBe(true);
    expect(await has(world, survivor, '/a')).toBe(false);
  });
});

it('what was put aside can be brought back as the line says', async () => {
  const world = await lostAroundSurvivor();
  const survivor = world.member(3);
  killAll(world);
  const { disk } = survivor.host.restart();
  const restore = async () => {
    const [from, to] = ['/data/version-2/damaged-1', '/data/version-2'];
    for (const name of await disk.list(to)) {
      if (name !== 'member' && name !== 'damaged-1') await disk.remove(`${to}/${name}`);
    }
    for (const name of await disk.list(from)) await disk.rename(`${from}/${name}`, `${to}/${name}`);
    await disk.syncDirectory(to);
  };
  await world.world.settle(restore());
  for (const id of [1, 2]) world.wipe(world.member(id));
  for (const member of world.members.values()) member.boot();
  await world.settle();
  expect(await has(world, world.member(1), '/a')).toBe(true);
});

it('a survivor of a later epoch brings back to the others what they have lost', async () => {
  const world = await EnsembleWorld.start();
  for (let epoch = 1; epoch < 4; epoch++) {
    killAll(world);
    for (const member of world.members.values()) member.boot();
    await world.settle();
  }
  await write(world, '/a');
  killAll(world);
  for (const id of [1, 2]) {
    world.wipe(world.member(id));
    world.member(id).boot();
  }
  await world.settle();
  world.member(3).boot();
  await world.reach(() => world.member(3).isServing);
  await world.settle();
  expect(await has(world, world.member(1), '/a')).toBe(true);
});

it('members that come and go say nothing of the kind', async () => {
  const world = await EnsembleWorld.start();
  for (let round = 0; round < 6; round++) {
    await write(world, `/n${round}`);
    const { leader } = world;
    const client = await world.session(leader);
    client.send(create(`/perhaps-${round}`));
    leader.kill();
    await world.reach(() => !world.follower.isServing);
    await world.settle();
    await write(world, `/m${round}`);
    leader.boot();
    await world.settle();
  }
  for (const member of world.members.values()) expect(linesOf(member, LOST)).toEqual([]);
});
