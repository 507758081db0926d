import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryClaim, DirectoryTakenError } from '@aviary/host';

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-claim-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
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
});
