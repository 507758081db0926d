import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DiskError, isMissing, type DiskFile } from '@aviary/foundation';
import { NodeDisk } from '@aviary/host';

const GIB = 2 ** 30;

let directory: string;
let disk: NodeDisk;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-disk-'));
  disk = new NodeDisk();
});

afterEach(async () => {
  disk.close();
  await rm(directory, { recursive: true });
});

function inDirectory(name: string): string {
  return join(directory, name);
}

/** Commits and resolves to what `done` got. */
function commit(file: DiskFile, bytes: Uint8Array, position: number): Promise<DiskError | null> {
  return new Promise((resolve) => file.commit(bytes, position, resolve));
}

/** A buffer of the disk's own, with `text` in it. */
function allocated(text: string): Uint8Array {
  const bytes = disk.allocate(text.length);
  bytes.set(Buffer.from(text));
  return bytes;
}

async function readAt(file: DiskFile, position: number, length: number): Promise<string> {
  const into = new Uint8Array(length);
  const filled = await file.read(into, position);
  return Buffer.from(into.subarray(0, filled)).toString();
}

describe('a file', () => {
  it('is created empty, also over an old one', async () => {
    const first = await disk.open(inDirectory('a'), 'create');
    await first.write(Buffer.from('old'), 0);
    await first.close();
    const second = await disk.open(inDirectory('a'), 'create');
    expect(await second.size()).toBe(0);
    await second.close();
  });

  it('is written and read at any position, with zeros in between', async () => {
    const file = await disk.open(inDirectory('a'), 'create');
    await file.write(Buffer.from('end'), 7);
    await file.write(Buffer.from('start'), 0);
    await file.sync();
    expect(await file.size()).toBe(10);
    expect(await readAt(file, 0, 10)).toBe('start\0\0end');
    await file.close();
    expect((await readFile(inDirectory('a'))).toString()).toBe('start\0\0end');
  });

  it('reads less than was asked for only where it ends', async () => {
    const file = await disk.open(inDirectory('a'), 'create');
    await file.write(Buffer.from('12345'), 0);
    expect(await readAt(file, 3, 100)).toBe('45');
    expect(await readAt(file, 5, 100)).toBe('');
    expect(await readAt(file, 500, 1)).toBe('');
    await file.close();
  });

  it('opened for writing keeps what it has, and must exist', async () => {
    const file = await disk.open(inDirectory('a'), 'create');
    await file.write(Buffer.from('12345'), 0);
    await file.close();
    const again = await disk.open(inDirectory('a'), 'write');
    await again.write(Buffer.from('x'), 1);
    expect(await readAt(again, 0, 10)).toBe('1x345');
    await again.close();
    await expect(disk.open(inDirectory('b'), 'write')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is cut and extended with zeros', async () => {
    const file = await disk.open(inDirectory('a'), 'create');
    await file.write(Buffer.from('12345'), 0);
    await file.truncate(2);
    await file.truncate(4);
    expect(await readAt(file, 0, 10)).toBe('12\0\0');
    await file.close();
  });

  it('takes positions beyond 4 GiB', async () => {
    const file = await disk.open(inDirectory('sparse'), 'create');
    const far = 5 * GIB + 3;
    expect(await commit(file, allocated('allocated'), far)).toBeNull();
    expect(await commit(file, Buffer.from('ordinary'), far + 9)).toBeNull();
    await file.write(Buffer.from('written'), far + 17);
    expect(await file.size()).toBe(far + 24);
    expect(await readAt(file, far, 100)).toBe('allocatedordinarywritten');
    expect(await readAt(file, GIB + 3, 4)).toBe('\0\0\0\0');
    await file.close();
    expect((await stat(inDirectory('sparse'))).blocks * 512).toBeLessThan(GIB);
  });

  it('that is closed fails with a DiskError in every way', async () => {
    const file = await disk.open(inDirectory('a'), 'create');
    const own = allocated('x');
    await file.close();
    const failures = await Promise.all([
      file.size().catch((error: unknown) => error),
      file.read(new Uint8Array(1), 0).catch((error: unknown) => error),
      file.write(new Uint8Array(1), 0).catch((error: unknown) => error),
      file.truncate(0).catch((error: unknown) => error),
      file.sync().catch((error: unknown) => error),
      commit(file, own, 0),
      commit(file, Buffer.from('x'), 0),
    ]);
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(DiskError);
      expect(failure).toMatchObject({ code: 'EBADF', path: inDirectory('a') });
    }
  });

  it('that may not be written says so', async () => {
    await (await disk.open(inDirectory('a'), 'create')).close();
    const file = await disk.open(inDirectory('a'), 'read');
    expect(await commit(file, allocated('x'), 0)).toMatchObject({ code: 'EBADF' });
    expect(await commit(file, Buffer.from('x'), 0)).toMatchObject({ code: 'EBADF' });
    await expect(file.write(Buffer.from('x'), 0)).rejects.toBeInstanceOf(DiskError);
    await file.close();
  });
});

describe('commit', () => {
  it.each([
    ['allocated', (text: string) => allocated(text)],
    ['ordinary', (text: string) => Buffer.from(text)],
  ])('from %s buffers puts bytes where they belong, one after the other', async (_name, make) => {
    const file = await disk.open(inDirectory('log'), 'create');
    const expected: string[] = [];
    let position = 0;
    for (let index = 0; index < 50; index++) {
      const text = `record ${index};`;
      expect(await commit(file, make(text), position)).toBeNull();
      position += text.length;
      expected.push(text);
    }
    await file.close();
    expect((await readFile(inDirectory('log'))).toString()).toBe(expected.join(''));
  });

  it('takes a part of a buffer, and the same buffer again', async () => {
    const file = await disk.open(inDirectory('log'), 'create');
    const own = allocated('..part..');
    expect(await commit(file, own.subarray(2, 6), 0)).toBeNull();
    own.set(Buffer.from('next'), 1);
    expect(await commit(file, own.subarray(1, 5), 4)).toBeNull();
    expect(await readAt(file, 0, 100)).toBe('partnext');
    expect(await commit(file, own.subarray(0, 0), 8)).toBeNull();
    expect(await file.size()).toBe(8);
    await file.close();
  });

  it('answers later, never within the call', async () => {
    const file = await disk.open(inDirectory('log'), 'create');
    const own = allocated('x');
    for (const bytes of [own, Buffer.from('x')]) {
      let isAnswered = false;
      const answer = new Promise((resolve) =>
        file.commit(bytes, 0, (error) => {
          isAnswered = true;
          resolve(error);
        }),
      );
      expect(isAnswered).toBe(false);
      expect(await answer).toBeNull();
    }
    await file.close();
  });

  it('of several files at once does each of them', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const files = await Promise.all(names.map((name) => disk.open(inDirectory(name), 'create')));
    const buffers = names.map((name) => allocated(name.repeat(100_000)));
    for (let round = 0; round < 5; round++) {
      const answers = files.map((file, index) => commit(file, buffers[index]!, round * 100_000));
      expect(await Promise.all(answers)).toEqual([null, null, null, null]);
    }
    for (const [index, file] of files.entries()) {
      await file.close();
      const content = await readFile(inDirectory(names[index]!), 'utf8');
      expect(content).toBe(names[index]!.repeat(500_000));
    }
  });

  it('goes on after the disk was closed, also when one was under way', async () => {
    const file = await disk.open(inDirectory('log'), 'create');
    const own = allocated('own');
    const underWay = commit(file, own, 0);
    disk.close();
    disk.close();
    expect(await underWay).toBeNull();
    expect(await commit(file, own, 3)).toBeNull();
    expect(await commit(file, allocated('new'), 6)).toBeNull();
    expect(await readAt(file, 0, 100)).toBe('ownownnew');
    await file.close();
  });

  it('writes large buffers whole', async () => {
    const file = await disk.open(inDirectory('log'), 'create');
    const own = disk.allocate(9_000_000);
    for (let at = 0; at < own.length; at += 4096) own[at] = at / 4096;
    expect(await commit(file, own, 16)).toBeNull();
    await file.close();
    const content = await readFile(inDirectory('log'));
    expect(content.subarray(16).equals(own)).toBe(true);
  });
});

describe('directories', () => {
  it('are made with those above them, and made again without harm', async () => {
    const deep = inDirectory('x/y/z');
    await disk.makeDirectory(deep);
    await disk.makeDirectory(deep);
    await disk.syncDirectory(deep);
    expect(await disk.list(inDirectory('x/y'))).toEqual(['z']);
  });

  it('are refused where the system makes none', async () => {
    await writeFile(inDirectory('file'), '');
    await expect(disk.makeDirectory(inDirectory('file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.makeDirectory(inDirectory('file/x/y'))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
    // There, on Linux, a name is missing whose parent is not.
    await expect(disk.makeDirectory('/proc/nowhere/deep')).rejects.toBeInstanceOf(DiskError);
  });

  it('list their names; files are renamed over others and removed', async () => {
    for (const name of ['a', 'b', 'c']) {
      const file = await disk.open(inDirectory(name), 'create');
      await file.write(Buffer.from(name), 0);
      await file.close();
    }
    await disk.rename(inDirectory('a'), inDirectory('b'));
    await disk.remove(inDirectory('c'));
    await disk.syncDirectory(directory);
    expect(await disk.list(directory)).toEqual(['b']);
    expect((await readFile(inDirectory('b'))).toString()).toBe('a');
  });

  it('that are missing, like files, are told as missing', async () => {
    const failures = await Promise.all([
      disk.list(inDirectory('no')).catch((error: unknown) => error),
      disk.open(inDirectory('no'), 'read').catch((error: unknown) => error),
      disk.open(inDirectory('no/a'), 'create').catch((error: unknown) => error),
      disk.rename(inDirectory('no'), inDirectory('b')).catch((error: unknown) => error),
      disk.remove(inDirectory('no')).catch((error: unknown) => error),
      disk.syncDirectory(inDirectory('no')).catch((error: unknown) => error),
    ]);
    expect(failures.map((failure) => isMissing(failure))).toEqual(failures.map(() => true));
    expect((failures[0] as DiskError).message).toBe(`list ${inDirectory('no')}: ENOENT`);
  });
});

describe('a process', () => {
  const host = fileURLToPath(new URL('../dist/index.js', import.meta.url));

  async function run(program: string, flags: string[] = [], nodeOptions = ''): Promise<string> {
    const text = `import { NodeDisk } from ${JSON.stringify(host)};
       const disk = new NodeDisk();
       const file = await disk.open(${JSON.stringify(inDirectory('log'))}, 'create');
       const own = disk.allocate(4);
       own.set(Buffer.from('done'));
       ${program}`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...flags, '--input-type=module', '--eval', text],
      { env: { ...process.env, NODE_OPTIONS: nodeOptions } },
    );
    return stdout;
  }

  it('ends by itself after close', async () => {
    const program = `
      await new Promise((resolve) => file.commit(own, 0, resolve));
      await file.close();
      disk.close();
      console.log('last line');`;
    expect(await run(program)).toBe('last line\n');
  });

  it('ends by itself without close too', async () => {
    expect(await run('await file.close(); console.log("last line");')).toBe('last line\n');
  });

  it('lives until a commit is answered, though nothing else holds it', async () => {
    const program = 'file.commit(own, 0, (error) => console.log(error));';
    expect(await run(program)).toBe('null\n');
    expect((await readFile(inDirectory('log'))).toString()).toBe('done');
  });

  it('that was told to load something first does not load it into the small thread', async () => {
    const preload = inDirectory('preload.cjs');
    await writeFile(
      preload,
      `if (!require('node:worker_threads').isMainThread) throw new Error('loaded into a thread');`,
    );
    const program = 'file.commit(own, 0, (error) => console.log(error));';
    expect(await run(program, ['--require', preload])).toBe('null\n');
    expect(await run(program, [], `--require ${JSON.stringify(preload)}`)).toBe('null\n');
  });
});
