import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryClaim, DirectoryTakenError } from '@aviary/host';

/** Levels that fit into a path, and neither down nor up into the name of a socket. */
const DEEP = 'd/'.repeat(40);
/** Whose id it is does not matter: the user `nobody` of most systems. */
const STRANGER = 65_534;
const EVERYBODY_READS_AND_WRITES = 0o666;

let directory: string;
const children: ChildProcess[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-claim-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const socket of sockets.splice(0)) socket.destroy();
  await rm(directory, { recursive: true, force: true });
});

/** Another process that listens to the socket of a claim, as one that holds the directory. */
async function otherHolder(): Promise<ChildProcess> {
  const path = join(directory, 'aviary.socket');
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('held'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((held) => child.stdout.once('data', held));
  return child;
}

/** Does something as another user, if this one may become one. */
async function asStranger<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(STRANGER);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

/** Does something where relative paths begin in `at`. */
async function within(at: string, work: () => Promise<void>): Promise<void> {
  const before = process.cwd();
  process.chdir(at);
  try {
    await work();
  } finally {
    process.chdir(before);
  }
}

/** Claims a directory, and proves that the claim holds. */
async function takeForGood(path: string): Promise<void> {
  const claim = await DirectoryClaim.take(path);
  await expect(DirectoryClaim.take(path)).rejects.toBeInstanceOf(DirectoryTakenError);
  await claim.release();
}

describe('a claim on a directory', () => {
  it('keeps others out until it is released', async () => {
    const claim = await DirectoryClaim.take(directory);
    await expect(DirectoryClaim.take(directory)).rejects.toThrow(
      `${directory} is in use by another process: stop it, or choose another dataDir`,
    );
    await claim.release();
    expect(await readdir(directory)).toEqual([]);
    await (await DirectoryClaim.take(directory)).release();
  });

  it('is refused while another process lives, and had at once when that was killed', async () => {
    const holder = await otherHolder();
    await expect(DirectoryClaim.take(directory)).rejects.toBeInstanceOf(DirectoryTakenError);
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    // What it left behind refuses connections.
    expect(await readdir(directory)).toEqual(['aviary.socket']);
    const claim = await DirectoryClaim.take(directory);
    await expect(DirectoryClaim.take(directory)).rejects.toBeInstanceOf(DirectoryTakenError);
    await claim.release();
  });

  it('goes to one of many that find a dead one', async () => {
    const holder = await otherHolder();
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    const takers = await Promise.allSettled(
      Array.from({ length: 8 }, () => DirectoryClaim.take(directory)),
    );
    const taken = takers.filter(({ status }) => status === 'fulfilled');
    expect(taken).toHaveLength(1);
    for (const taker of takers) if (taker.status === 'fulfilled') await taker.value.release();
  });

  it('makes the directory, and is none where its name is too long for a socket', async () => {
    const deep = join(directory, 'd'.repeat(120));
    const claim = await DirectoryClaim.take(deep);
    expect(await readdir(directory)).toHaveLength(1);
    await claim.release();
  });

  it('is one wherever the way there is short, from the root or from here', async () => {
    const deep = join(directory, DEEP);
    await mkdir(join(deep, 'data'), { recursive: true });
    await within(deep, async () => {
      await takeForGood(join(deep, 'data'));
      await takeForGood(directory);
    });
  });

  it('is none where there can be no directory: recovery says what is wrong', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    const claim = await DirectoryClaim.take(join(file, 'data'));
    await claim.release();
    expect(await readdir(directory)).toEqual(['file']);
  });

  it('is released also while somebody keeps a connection to it', async () => {
    const claim = await DirectoryClaim.take(directory);
    const socket = connect({ path: join(directory, 'aviary.socket'), allowHalfOpen: true });
    sockets.push(socket);
    await new Promise((connected) => socket.once('connect', connected));
    await claim.release();
    await takeForGood(directory);
  });

  it('keeps no process alive', async () => {
    const pipes = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
    const before = pipes();
    const claim = await DirectoryClaim.take(directory);
    const during = pipes();
    await claim.release();
    expect(during).toBeLessThanOrEqual(before);
  });

  it('may be asked for by every user who can look into the directory', async () => {
    const claim = await DirectoryClaim.take(directory);
    const { mode } = await stat(join(directory, 'aviary.socket'));
    expect(mode & EVERYBODY_READS_AND_WRITES).toBe(EVERYBODY_READS_AND_WRITES);
    await claim.release();
  });

  it('stands where another user holds it who lets nobody ask', async () => {
    await otherHolder();
    await chmod(join(directory, 'aviary.socket'), 0);
    if (process.geteuid?.() === 0) await chown(directory, STRANGER, STRANGER);
    await within(directory, async () => {
      const taken = asStranger(() => DirectoryClaim.take(directory));
      await expect(taken).rejects.toBeInstanceOf(DirectoryTakenError);
    });
    expect(await readdir(directory)).toEqual(['aviary.socket']);
  });
});
