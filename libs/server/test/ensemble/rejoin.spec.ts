import { describe, expect, it } from '@jest/globals';
import { StorageError } from '@aviary/storage';
import { killNine, type CrashMoment } from '@aviary/simulator';
import { RegainedHistory } from '../../src/ensemble/rejoin.js';
import { create } from '../requests.js';
import { DATA_DIRECTORY, EnsembleWorld, type TestMember } from './ensemble-world.js';

const VERSION_DIRECTORY = `${DATA_DIRECTORY}/version-2`;
const ASIDE = `${VERSION_DIRECTORY}/damaged-1`;
const MARK = `${VERSION_DIRECTORY}/rejoining`;
const NODES = 40;
/** Within which an ensemble that can elect a leader has done so. */
const ELECTION_MS = 20_000;
const REMINDER_MS = 60_000;

/** An ensemble that has written something. */
async function written(voters: readonly number[] = [1, 2, 3]): Promise<EnsembleWorld> {
  const world = await EnsembleWorld.start({ voters });
  await write(world, world.leader, 'first', NODES);
  return world;
}

async function write(
  world: EnsembleWorld,
  at: TestMember,
  name: string,
  count: number,
): Promise<void> {
  const client = await world.session(at);
  for (let i = 0; i < count; i++) await client.done(create(`/${name}-${i}`, { data: name }));
}

function filesOf({ host }: TestMember, kind: 'log' | 'snapshot'): string[] {
  const prefix = `${VERSION_DIRECTORY}/${kind}.`;
  return host.drive.paths().filter((path) => path.startsWith(prefix));
}

/** Rots a bit amid what the log of a dead member holds. */
function damageLog(member: TestMember): void {
  const { drive } = member.host;
  const path = filesOf(member, 'log').at(-1)!;
  const bytes = drive.contentsOf(path)!;
  const end = bytes.findLastIndex((byte) => byte !== 0);
  drive.flipBit(path, Math.floor(end / 2), 3);
}

function isSound({ host }: TestMember): boolean {
  return !host.drive.paths().includes(MARK);
}

/** Equal for members that have the same. */
function contentsOf({ server }: TestMember): string {
  const { digest, lastZxid, nodes } = server.state.tree;
  return `${nodes.size} ${digest.high}.${digest.low} ${lastZxid}`;
}

async function allHaveTheSame(world: EnsembleWorld): Promise<void> {
  await world.reach(() => {
    const contents = [...world.members.values()].map(contentsOf);
    return contents.every((one) => one === contents[0]);
  });
}

describe('a member with a flipped bit in its log', () => {
  it('keeps what it had aside, and has everything again from the others', async () => {
    const world = await written();
    const { follower } = world;
    follower.kill();
    damageLog(follower);
    const damaged = filesOf(follower, 'log').map((path) => follower.host.drive.contentsOf(path));
    follower.boot();
    await world.settle();
    await allHaveTheSame(world);
    expect(isSound(follower)).toBe(true);
    const { drive } = follower.host;
    const kept = drive.paths().filter((path) => path.startsWith(`${ASIDE}/log.`));
    expect(kept.map((path) => drive.contentsOf(path))).toEqual(damaged);
    expect(follower.warnings.join('\n')).toMatch(
      /repairs itself from the others, for its data are damaged: \/data\/version-2\/log\.\w+/,
    );
    expect(follower.warnings.join('\n')).toContain(`is kept in ${ASIDE}.`);
    expect(follower.log.lines.join('\n')).toContain('takes part in elections from now on');
  });

  it('votes again once it has: a leader is elected with it', async () => {
    const world = await written();
    const [follower, other] = [...world.members.values()].filter((one) => one !== world.leader);
    follower!.kill();
    damageLog(follower!);
    follower!.boot();
    await world.settle();
    other!.kill();
    world.leader.kill();
    other!.boot();
    await world.settle();
    await allHaveTheSameAs(world, follower!, other!);
  });

  it.each([
    ['is lost', (path: string, { host }: TestMember) => host.restart(killNine).disk.remove(path)],
    ['has a flipped bit', (path: string, { host }: TestMember) => host.drive.flipBit(path, 99)],
  ])('does the same again when the snapshot that it was sent %s', async (_what, damage) => {
    const world = await written();
    const { follower } = world;
    follower.kill();
    damageLog(follower);
    follower.boot();
    await world.settle();
    await write(world, world.leader, 'second', NODES);
    follower.kill();
    const snapshot = filesOf(follower, 'snapshot').at(-1)!;
    await world.world.settle(Promise.resolve(damage(snapshot, follower)));
    follower.boot();
    await world.settle();
    await allHaveTheSame(world);
    expect(follower.warnings.join('\n')).toContain(`is kept in ${VERSION_DIRECTORY}/damaged-2.`);
  });

  it('helps nobody to be elected before, and serves nobody', async () => {
    const world = await written();
    const [damaged, sound, absent] = [...world.members.values()];
    for (const member of world.members.values()) member.kill();
    damageLog(damaged!);
    damaged!.boot();
    sound!.boot();
    await world.pass(ELECTION_MS);
    expect([damaged!.server.mode, sound!.server.mode]).toEqual(['looking', 'looking']);
    expect(damaged!.failures).toEqual([]);
    absent!.boot();
    await world.settle();
    await allHaveTheSame(world);
  });

  it('is no leader to those who still follow its earlier life', async () => {
    const world = await written();
    const { leader } = world;
    leader.kill();
    damageLog(leader);
    leader.boot();
    await world.settle();
    expect(world.leader).not.toBe(leader);
    await allHaveTheSame(world);
  });

  it('is brought up to date while others go on writing', async () => {
    const world = await written();
    const { follower, leader } = world;
    follower.kill();
    damageLog(follower);
    follower.boot();
    await write(world, leader, 'meanwhile', NODES);
    await world.settle();
    await write(world, leader, 'behind', NODES);
    await allHaveTheSame(world);
    expect(follower.server.state.tree.nodes.size).toBeGreaterThan(3 * NODES);
  });
});

async function allHaveTheSameAs(
  world: EnsembleWorld,
  one: TestMember,
  other: TestMember,
): Promise<void> {
  await world.reach(() => contentsOf(one) === contentsOf(other));
}

describe('members without a quorum of sound ones', () => {
  it('elect nobody, and say what to do once in a while', async () => {
    const world = await written();
    const [one, other, sound] = [...world.members.values()];
    for (const member of world.members.values()) member.kill();
    damageLog(one!);
    damageLog(other!);
    for (const member of world.members.values()) member.boot();
    await world.pass(2 * REMINDER_MS + ELECTION_MS);
    for (const member of world.members.values()) expect(member.server.mode).toBe('looking');
    const reminders = one!.warnings.filter((line) => line.includes('still waits for a leader'));
    expect(reminders).toHaveLength(2);
    expect(sound!.warnings.join()).not.toContain('still waits for a leader');
    // What they are told to do helps.
    for (const member of world.members.values()) member.kill();
    await copyVersionDirectory(world, sound!, one!);
    for (const member of world.members.values()) member.boot();
    await world.settle();
    await allHaveTheSame(world);
    expect(other!.server.state.tree.nodes.size).toBeGreaterThan(NODES);
  });
});

async function copyVersionDirectory(
  world: EnsembleWorld,
  from: TestMember,
  to: TestMember,
): Promise<void> {
  const { disk } = to.host.restart(killNine);
  const copy = async (): Promise<void> => {
    for (const name of await disk.list(VERSION_DIRECTORY)) {
      if (!name.startsWith('damaged-')) await disk.remove(`${VERSION_DIRECTORY}/${name}`);
    }
    for (const path of from.host.drive.paths()) {
      const bytes = from.host.drive.contentsOf(path);
      if (bytes === null || !path.startsWith(`${VERSION_DIRECTORY}/`)) continue;
      if (path.endsWith('/member')) continue;
      const file = await disk.open(path, 'create');
      await file.write(bytes, 0);
      await file.sync();
      await file.close();
    }
    await disk.syncDirectory(VERSION_DIRECTORY);
  };
  await world.world.settle(copy());
}

describe('a member that cannot be repaired', () => {
  it('is refused where the others have no quorum without it; nothing is changed', async () => {
    const world = await written([1, 2]);
    const { follower } = world;
    follower.kill();
    damageLog(follower);
    const before = follower.host.drive.paths();
    follower.boot();
    await world.reach(() => follower.refusal !== null);
    expect(follower.refusal).toBeInstanceOf(StorageError);
    expect(follower.host.drive.paths()).toEqual(before);
  });

  it('is refused where nobody knows whom it promised to follow', async () => {
    const world = await written();
    const { follower } = world;
    follower.kill();
    damageLog(follower);
    const { disk } = follower.host.restart(killNine);
    await world.world.settle(disk.remove(`${VERSION_DIRECTORY}/acceptedEpoch`));
    follower.boot();
    await world.reach(() => follower.refusal !== null);
    expect(follower.refusal).toMatchObject({ problem: 'promise' });
    expect(follower.refusal!.message).toContain('there is no acceptedEpoch');
    expect(filesOf(follower, 'log')).not.toEqual([]);
  });
});

describe('a member that loses power while it repairs itself', () => {
  it.each<CrashMoment>(['before', 'middle', 'after'])(
    'goes on at the next start, whichever operation that cut short: %s',
    async (moment) => {
      const world = await written();
      const { follower } = world;
      const { drive } = follower.host;
      let wasWhole = false;
      let crashes = 0;
      for (let operation = 1; !wasWhole; operation += 3) {
        await write(world, world.leader, `round-${operation}`, 3);
        await allHaveTheSame(world);
        follower.kill();
        damageLog(follower);
        drive.crashAt(drive.operationCount + operation, moment);
        follower.boot();
        await world.reach(() => !follower.isAlive || follower.isServing);
        wasWhole = follower.isAlive;
        drive.clearRules();
        if (wasWhole) break;
        crashes++;
        follower.boot();
        await world.settle();
      }
      await allHaveTheSame(world);
      expect(crashes).toBeGreaterThan(20);
      expect(follower.failures).toEqual([]);
    },
    120_000,
  );
});

describe('a history that was lost', () => {
  const EPOCH = 2 ** 32;

  it.each([
    ['there is no telling before the leader has pinged', [], EPOCH + 9, false],
    ['nothing was proposed in the epoch', [EPOCH], EPOCH - 1, true],
    ['the log is not as far as proposals were', [EPOCH + 5], EPOCH + 4, false],
    ['the log is as far', [EPOCH + 5], EPOCH + 5, true],
    ['what is proposed later does not matter', [EPOCH + 5, EPOCH + 9], EPOCH + 5, true],
  ])('is there again: %s', (_what, pings, logged, expected) => {
    const regained = new RegainedHistory();
    for (const ping of pings) regained.notePing(ping);
    expect(regained.isWhole(logged)).toBe(expected);
  });
});
