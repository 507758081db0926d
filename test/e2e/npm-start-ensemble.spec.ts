import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { isFree } from '../free-port.js';
import {
  endGroup,
  npmStart,
  runProgram,
  temporaryDirectory,
  type RunningProgram,
} from './member-process.js';

/** Ports that no other test and no demo takes. */
const BASE_MIN = 20_000;
const BASES = 2_000;

/** The first of the ports for clients, from which all others are counted. */
async function freeBasePort(): Promise<number> {
  for (;;) {
    const base = BASE_MIN + Math.floor(Math.random() * BASES);
    const ports = [0, 707, 1707].flatMap((offset) => [0, 1, 2].map((id) => base + offset + id));
    const areFree = await Promise.all(ports.map(isFree));
    if (areFree.every(Boolean)) return base;
  }
}

/** What the opening tells of the members. */
function membersOf({ output }: RunningProgram): { id: number; pid: number; mode: string }[] {
  const lines = output.matchAll(/^ {2}member (\d+) {2}process (\d+) {2}\S+ {2}(\w+)/gm);
  return Array.from(lines, ([, id, pid, mode = '']) => ({
    id: Number(id),
    pid: Number(pid),
    mode,
  }));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when none of the processes is left. */
async function allGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await pause(10);
}

describe('npm start', () => {
  const directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  const programs: RunningProgram[] = [];

  const started = (program: RunningProgram) => {
    programs.push(program);
    return program;
  };
  const start = (port: number, ...args: string[]) =>
    started(
      runProgram('start.main.js', args, {
        AVIARY_DATA_DIR: dataDir,
        AVIARY_CLIENT_PORT: String(port),
        AVIARY_PRE_ALLOC_SIZE: '64',
      }),
    );

  afterEach(async () => {
    for (const program of programs.splice(0)) {
      if (program.child.spawnfile === 'npm') await endGroup(program);
      program.child.kill('SIGKILL');
      await program.exited;
      await allGone(membersOf(program).map(({ pid }) => pid));
    }
  });
  afterAll(() => directory.remove());

  it('runs three members, which go on without their leader, and end at Ctrl-C', async () => {
    const port = await freeBasePort();
    const program = started(npmStart(dataDir, port));
    const [, servers = ''] = await program.printed(/3 members serve ZooKeeper clients at (\S+)\n/);
    await program.printed(/Stop with Ctrl-C/);
    expect(servers).toBe([0, 1, 2].map((id) => `127.0.0.1:${port + id}`).join(','));
    expect(program.output).toContain('npm run demo');
    const members = membersOf(program);
    expect(members.map(({ id }) => id)).toEqual([1, 2, 3]);
    const [leader, ...others] = members.filter(({ mode }) => mode === 'leader');
    expect(others).toEqual([]);

    await using zk = new ZooKeeper({ servers });
    await zk.create('/kept', 'yes', { mode: 'ephemeral' });
    process.kill(leader!.pid, 'SIGKILL');
    const { id, pid } = leader!;
    const said = `member ${id} \\(process ${pid}\\) has ended: killed by SIGKILL`;
    await program.printed(new RegExp(`${said}[^]*member ${id} stays dead[^]* leads\\n`));
    expect(program.output).not.toContain(`(process ${pid}) leads\n`);
    expect(String((await zk.get('/kept')).data)).toBe('yes');
    await zk.close();

    // A terminal sends Ctrl-C to every process of the group.
    process.kill(-program.child.pid!, 'SIGINT');
    await program.exited;
    expect(members.filter((member) => isAlive(member.pid))).toEqual([]);
    // Who closes cleanly takes the claim on the directory away.
    expect(existsSync(join(dataDir, String(id), 'aviary.socket'))).toBe(true);
    for (const other of members.filter((member) => member.id !== id)) {
      expect(existsSync(join(dataDir, String(other.id), 'aviary.socket'))).toBe(false);
    }
  }, 120_000);

  it('restarts with --restart who died; nobody outlives it; --fresh forgets', async () => {
    const port = await freeBasePort();
    const first = start(port, '--restart');
    const [, servers = ''] = await first.printed(/serve ZooKeeper clients at (\S+)\n/);
    await first.printed(/Stop with Ctrl-C/);
    await using zk = new ZooKeeper({ servers });
    await zk.create('/old');
    await zk.close();
    const members = membersOf(first);
    const { id, pid } = members.find(({ mode }) => mode === 'follower')!;
    process.kill(pid, 'SIGKILL');
    await first.printed(new RegExp(`member ${id} \\(process ${pid}\\) has ended[^]*started again`));
    const back = new RegExp(`member ${id} \\(process (\\d+)\\) is back, as a follower`);
    const [, newPid] = await first.printed(back);
    first.child.kill('SIGKILL');
    await first.exited;
    await allGone([...members.map((member) => member.pid), Number(newPid)]);

    const other = start(port, '--members', '5');
    expect(await other.exited).toEqual({ code: 2, signal: null });
    expect(other.output).toMatch(/^configuration: \S+ has the data of 3 members: .*\n$/);

    const again = start(port, '--fresh');
    await again.printed(/Stop with Ctrl-C/);
    await using fresh = new ZooKeeper({ servers });
    expect(await fresh.exists('/old')).toBeNull();
    await fresh.close();

    // One that cannot start takes the others with it.
    const second = start(await freeBasePort(), '--restart');
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.output).toMatch(
      /^member \d cannot start: .*data\/\d is in use by another process/m,
    );

    again.child.kill('SIGTERM');
    expect(await again.exited).toEqual({ code: 0, signal: null });
  }, 120_000);

  it('says in one line what it cannot do', async () => {
    const args = start(2181, '--members', 'many');
    expect(await args.exited).toEqual({ code: 2, signal: null });
    expect(args.output).toBe(
      'configuration: --members must be a whole number from 1 to 9, and is "many"\n',
    );
    const own = started(runProgram('start.main.js', [], { AVIARY_SERVER_1: 'a:1:2' }));
    expect(await own.exited).toEqual({ code: 2, signal: null });
    expect(own.output).toMatch(
      /^configuration: AVIARY_SERVER_1 is of an ensemble of your own.*\n$/,
    );
    expect(existsSync(join(dataDir, 'many'))).toBe(false);
  });
});
