import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { SyncThread } from '../src/sync-thread.js';

let directory: string;
let handle: FileHandle;
let thread: SyncThread;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-sync-'));
  handle = await open(join(directory, 'log'), 'w+');
  thread = new SyncThread();
});

afterEach(async () => {
  thread.stop();
  await handle.close();
  await rm(directory, { recursive: true });
});

/** All answers that the commit gets, once the first has come and a turn has passed. */
function commit(bytes: Uint8Array, fd = handle.fd): Promise<(string | null)[]> {
  const answers: (string | null)[] = [];
  return new Promise((resolve) =>
    thread.commit(fd, bytes, 0, (errorName) => {
      answers.push(errorName);
      setImmediate(() => resolve(answers));
    }),
  );
}

function workerOf(each: SyncThread): Worker {
  return (each as unknown as { worker: Worker }).worker;
}

describe('SyncThread', () => {
  it('takes only its own buffers, and only while it is free', async () => {
    const own = thread.allocate(8);
    expect(thread.canTake(own)).toBe(true);
    expect(thread.canTake(own.subarray(2, 4))).toBe(true);
    expect(thread.canTake(new Uint8Array(8))).toBe(false);
    const answers = commit(own);
    expect(thread.canTake(own)).toBe(false);
    expect(await answers).toEqual([null]);
    expect(thread.canTake(own)).toBe(true);
  });

  it('is free again within the answer, so that the next commit can follow at once', async () => {
    const own = thread.allocate(1);
    let left = 50;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        if (!thread.canTake(own)) throw new Error('the thread is not free');
        thread.commit(handle.fd, own, left, () => (--left > 0 ? next() : resolve()));
      };
      next();
    });
    expect((await handle.stat()).size).toBe(51);
  });

  it('names the system error, and works on after it', async () => {
    const own = thread.allocate(4).fill(65);
    const readOnly = await open(join(directory, 'log'), 'r');
    expect(await commit(own, readOnly.fd)).toEqual(['EBADF']);
    await readOnly.close();
    expect(await commit(own)).toEqual([null]);
    expect((await readFile(join(directory, 'log'))).toString()).toBe('AAAA');
  });

  it('answers once when it dies at work, and takes nothing more', async () => {
    const own = thread.allocate(4);
    const answers = commit(own);
    await workerOf(thread).terminate();
    // Whether it died before or after the commit was done is not ours to say.
    expect([[null], ['UNKNOWN']]).toContainEqual(await answers);
    expect(thread.canTake(own)).toBe(false);
    expect(thread.canTake(thread.allocate(4))).toBe(false);
    thread.stop();
  });

  it('dies without harm when it is idle', async () => {
    const own = thread.allocate(4);
    expect(await commit(own)).toEqual([null]);
    await workerOf(thread).terminate();
    expect(thread.canTake(own)).toBe(false);
  });

  it('ends its thread when it is stopped, after the commit that is under way', async () => {
    const own = thread.allocate(4).fill(66);
    const ended = new Promise((resolve) => workerOf(thread).once('exit', resolve));
    const answers = commit(own);
    thread.stop();
    expect(await answers).toEqual([null]);
    expect(await ended).toBe(0);
    expect((await readFile(join(directory, 'log'))).toString()).toBe('BBBB');
  });
});
