import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ZooKeeper } from '@aviary/client';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Ensemble, contentsAt, type Member } from './configured-ensemble.js';
import { fourLetterWord } from './four-letter-word.js';
import { temporaryDirectory } from './member-process.js';

const NODES = 200;
/** Ten times what an election takes here. */
const ELECTION_MS = 3_000;

const versionDirectory = ({ dataDir }: Member): string => join(dataDir, 'version-2');

function filesOf(member: Member, kind: 'log' | 'snapshot'): string[] {
  const directory = versionDirectory(member);
  const number = (name: string): number => parseInt(name.slice(kind.length + 1), 16);
  const names = readdirSync(directory).filter((name) => name.startsWith(`${kind}.`));
  return names
    .sort((one, other) => number(one) - number(other))
    .map((name) => join(directory, name));
}

/** Changes one bit amid the records of the newest log. */
function damageLog(member: Member): void {
  const path = filesOf(member, 'log').at(-1)!;
  const bytes = readFileSync(path);
  const end = bytes.findLastIndex((byte) => byte !== 0);
  const middle = Math.floor(end / 2);
  bytes[middle] = bytes[middle]! ^ 4;
  writeFileSync(path, bytes);
}

describe('three servers of an ensemble', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let ensemble: Ensemble;
  let contents: ReadonlyMap<string, string>;

  beforeEach(async () => {
    directory = temporaryDirectory();
    ensemble = await Ensemble.configure(directory.path);
    await Promise.all(ensemble.members.map((member) => ensemble.start(member)));
    const leader = await ensemble.leader();
    await using zk = new ZooKeeper({ servers: ensemble.servers });
    await zk.create('/kept');
    await Promise.all(
      Array.from({ length: NODES }, (_, number) => zk.create(`/kept/${number}`, String(number))),
    );
    await zk.close();
    contents = await contentsAt(leader, '/kept');
    expect(contents.size).toBe(NODES);
  }, 60_000);

  afterEach(async () => {
    await ensemble.killAll();
    directory.remove();
  });

  async function someFollower(): Promise<Member> {
    const leader = await ensemble.leader();
    return ensemble.members.find((member) => member !== leader)!;
  }

  it('have all of them what one had in its damaged log', async () => {
    const follower = await someFollower();
    await ensemble.end(follower, 'SIGTERM');
    damageLog(follower);
    const program = await ensemble.start(follower);
    await program.printed(/repairs itself from the others, for its data are damaged: \S+log\.\w+/);
    await program.printed(/takes part in elections from now on/);
    expect(await ensemble.mode(follower)).toBe('follower');
    expect(await contentsAt(follower, '/kept')).toEqual(contents);
    expect(readdirSync(versionDirectory(follower))).toContain('damaged-1');
    // It is a voter as before: with it alone, the next leader is elected.
    await ensemble.end(await ensemble.leader(), 'SIGKILL');
    expect(await ensemble.mode(follower)).toMatch(/leader|follower/);
    expect(await contentsAt(follower, '/kept')).toEqual(contents);
  }, 60_000);

  it('bring back one whose snapshots are gone', async () => {
    const follower = await someFollower();
    // The state that a leader has sent is in a snapshot, and in nothing else.
    await ensemble.end(follower, 'SIGKILL');
    damageLog(follower);
    await (await ensemble.start(follower)).printed(/takes part in elections from now on/);
    expect(await ensemble.mode(follower)).toBe('follower');
    await ensemble.end(follower, 'SIGKILL');
    rmSync(filesOf(follower, 'snapshot').at(-1)!);
    await (await ensemble.start(follower)).printed(/takes part in elections from now on/);
    expect(await ensemble.mode(follower)).toBe('follower');
    expect(await contentsAt(follower, '/kept')).toEqual(contents);
  }, 60_000);

  it('elect nobody while two of them are damaged, until an operator decides', async () => {
    const { members } = ensemble;
    const [one, other, sound] = members as [Member, Member, Member];
    for (const member of members) await ensemble.end(member, 'SIGTERM');
    damageLog(one);
    damageLog(other);
    const programs = await Promise.all(members.map((member) => ensemble.start(member)));
    for (const program of programs.slice(0, 2)) await program.printed(/takes no part in elections/);
    await new Promise((done) => setTimeout(done, ELECTION_MS));
    for (const member of members) {
      expect(await fourLetterWord('srvr', member.address)).not.toMatch(/^Mode:/m);
    }
    for (const member of members) await ensemble.end(member, 'SIGTERM');
    rmSync(versionDirectory(one), { recursive: true });
    cpSync(versionDirectory(sound), versionDirectory(one), { recursive: true });
    rmSync(join(versionDirectory(one), 'member'), { force: true });
    await Promise.all(members.map((member) => ensemble.start(member)));
    for (const member of members) {
      expect(await ensemble.mode(member)).toMatch(/leader|follower/);
      expect(await contentsAt(member, '/kept')).toEqual(contents);
    }
  }, 90_000);
});
