import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import { silentLog } from '@aviary/foundation';
import { DataDirectory, type LogBatch } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { entryOf, logFileOf, recordsOf } from './log-files.js';
import { ManualClock, settled } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** What the example takes from outside. */
interface Scope {
  readonly DataDirectory: typeof DataDirectory;
  readonly [name: string]: unknown;
}

/** Runs the example of the README. */
async function runExample(scope: Scope): Promise<void> {
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const names = Object.keys(scope).join(', ');
  const { code } = await transform(`async function example({ ${names} }) {${block}}`, {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  const example = new Function(`${code}; return example;`)() as (scope: Scope) => Promise<void>;
  await example(scope);
}

describe('the README', () => {
  it('has an example that works', async () => {
    const disk = new MemoryDisk();
    disk.put('./data/version-2/log.1', logFileOf([entryOf(1), entryOf(2)]));
    const answered: number[] = [];
    const target = new Ledger();
    const payload = recordsOf([entryOf(3)]).slice(12, -1);
    await runExample({
      DataDirectory,
      disk,
      clock: new ManualClock(),
      target,
      log: silentLog,
      payload,
      answer: (batch: LogBatch) => answered.push(batch.firstZxid),
      stop: (error: unknown) => {
        throw error;
      },
    });
    await settled();
    expect(answered).toEqual([3]);
    expect(disk.bytesOf('./data/version-2/log.3').length).toBe(16 + (64 << 20));
    const again = new Ledger();
    const directory = new DataDirectory(disk, new ManualClock(), { dataDir: './data' });
    expect((await directory.recover(again, silentLog)).lastZxid).toBe(3);
    expect(again.entries).toEqual([entryOf(1), entryOf(2), entryOf(3)]);
  });
});
