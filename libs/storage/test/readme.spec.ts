import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { silentLog } from '@aviary/foundation';
import { DataDirectory, type LogBatch } from '@aviary/storage';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import { Ledger } from './ledger.js';
import { entryOf, logFileOf, recordsOf } from './log-files.js';
import { ManualClock, settled } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

const readme = readmeIn(join(import.meta.dirname, '..'));

describe('the README', () => {
  it('has an example that works', async () => {
    expect(readme.examples).toHaveLength(1);
    const disk = new MemoryDisk();
    disk.put('./data/version-2/log.1', logFileOf([entryOf(1), entryOf(2)]));
    const answered: number[] = [];
    const target = new Ledger();
    const payload = recordsOf([entryOf(3)]).slice(12, -1);
    await runExample(readme.examples[0]!, {
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
