import { describe, expect, it } from '@jest/globals';
import { silentLog, type Clock, type Disk } from '@aviary/foundation';
import {
  DataDirectory,
  isRepairable,
  type DataDirectoryOptions,
  type EpochFiles,
} from '@aviary/storage';
import { Ledger } from '../ledger.js';
import { entryOf, logFileOf } from '../log-files.js';
import { snapshotFileOf } from '../snapshot-files.js';
import { makeDirectories } from './appending.js';
import { isConvicted, playWhole, putDurable, violationsOf, type CrashTest } from './every-point.js';
import { NoDirectorySync } from './lying-disks.js';

// A member with damaged data puts them aside and learns everything anew. Wherever that ends: it
// never again takes a part of the old data for its history, it never forgets that it must not vote,
// nor what it has promised, and nothing of the old data is lost to an operator.

const TIMEOUT_MS = 120_000;
const LEARNED = 4;

const together: DataDirectoryOptions = { dataDir: '/data/zk' };
const apart: DataDirectoryOptions = { dataDir: '/data/zk', dataLogDir: '/data/logs' };

function logOf(...zxids: number[]): Uint8Array {
  return logFileOf(zxids.map((zxid) => entryOf(zxid)));
}

async function prepare(disk: Disk, options: DataDirectoryOptions): Promise<void> {
  const { snapshots, logs } = await makeDirectories(disk, options);
  const rotten = (await snapshotFileOf(6)).slice();
  rotten[30]! ^= 1;
  await putDurable(disk, snapshots, 'snapshot.2', await snapshotFileOf(2));
  await putDurable(disk, snapshots, 'snapshot.6', rotten);
  await putDurable(disk, snapshots, 'acceptedEpoch', Buffer.from('5'));
  await putDurable(disk, snapshots, 'currentEpoch', Buffer.from('5'));
  await putDurable(disk, logs, 'log.1', logOf(1, 2, 3));
  // Without this one, the rest would be taken for a history: epochs do not tell what is missing.
  await putDurable(disk, logs, 'log.5', logOf(5, 6));
  await putDurable(disk, logs, 'log.500000001', logOf(0x5_0000_0001));
}

class Member {
  private hasBegun = false;
  private hasLearned = false;

  private constructor(private readonly options: DataDirectoryOptions) {}

  static test(options: DataDirectoryOptions, wrap?: CrashTest['wrap']): CrashTest {
    let member = new Member(options);
    return {
      ...(wrap === undefined ? {} : { wrap }),
      prepare: (disk) => {
        member = new Member(options);
        return prepare(disk, options);
      },
      work: (disk, { clock }) => member.start(disk, clock),
      next: async (disk, { clock }) => {
        await member.start(disk, clock);
        await member.inspect(disk);
      },
    };
  }

  /** As a server does it: recovers, or puts aside and recovers; then learns, if it has to. */
  private async start(disk: Disk, clock: Clock): Promise<void> {
    const directory = new DataDirectory(disk, clock, this.options);
    const ledger = new Ledger();
    try {
      await directory.recover(ledger, silentLog);
    } catch (error) {
      if (!isRepairable(error)) throw error;
      if (this.hasBegun) throw new Error(`refused again: ${String(error)}`, { cause: error });
      await directory.setAside();
      await directory.recover(ledger, silentLog);
    }
    this.hasBegun = true;
    const { entries, lastZxid } = ledger;
    if (entries.some(({ tag }, i) => tag !== entryOf(i + 1, 20, -i).tag)) {
      throw new Error('something of the old data came back');
    }
    const isRejoining = await directory.isRejoining();
    if (this.hasLearned && lastZxid !== LEARNED) throw new Error('what was learned is lost');
    if (!isRejoining && lastZxid !== LEARNED) throw new Error('it would vote, and knows nothing');
    const epochs = await directory.openEpochs(lastZxid, silentLog);
    if (epochs.accepted !== 5) throw new Error(`it promised 5, and knows ${epochs.accepted}`);
    if (isRejoining) await this.learn(directory, epochs);
  }

  private async learn(directory: DataDirectory, epochs: EpochFiles): Promise<void> {
    const ledger = new Ledger();
    for (let i = 0; i < LEARNED; i++) ledger.entries.push(entryOf(i + 1, 20, -i));
    await directory.installSnapshot(ledger.snapshot());
    this.hasLearned = true;
    await epochs.setCurrent(5);
    await directory.endRejoin();
  }

  /** Everything that there was is somewhere. */
  private async inspect(disk: Disk): Promise<void> {
    const { dataDir, dataLogDir = dataDir } = this.options;
    const kept = new Set<string>();
    for (const directory of [`${dataDir}/version-2`, `${dataLogDir}/version-2`]) {
      for (const name of await disk.list(directory)) {
        if (!name.startsWith('damaged-')) continue;
        for (const file of await disk.list(`${directory}/${name}`)) kept.add(file);
      }
    }
    const old = ['snapshot.2', 'snapshot.6', 'log.1', 'log.5', 'log.500000001', 'currentEpoch'];
    const lost = old.filter((name) => !kept.has(name));
    if (lost.length > 0) throw new Error(`lost: ${lost.join(', ')}`);
  }
}

describe.each([
  { name: 'from one directory', options: together, stride: 1 },
  { name: 'from two', options: apart, stride: 3 },
])('damaged data, put aside $name', ({ options, stride }) => {
  it(
    'are never again taken for the history, whatever crashes or fails meanwhile',
    async () => {
      expect((await playWhole(Member.test(options))).operations).toBeGreaterThan(80);
      expect(await violationsOf(Member.test(options), stride)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

it(
  'damaged data are, where directories are not synced',
  async () => {
    const wrap = (disk: Disk) => new NoDirectorySync(disk);
    expect(await isConvicted(Member.test(together, wrap))).toBe(true);
  },
  TIMEOUT_MS,
);
