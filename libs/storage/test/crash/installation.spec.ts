import { describe, expect, it } from '@jest/globals';
import { silentLog, type Clock, type Disk } from '@aviary/foundation';
import { DataDirectory, type DataDirectoryOptions, type SnapshotSource } from '@aviary/storage';
import { Ledger, type LedgerEntry } from '../ledger.js';
import { entryOf, logFileOf, markOf } from '../log-files.js';
import { snapshotFileOf } from '../snapshot-files.js';
import { appendTo, makeDirectories } from './appending.js';
import { isConvicted, playWhole, putDurable, violationsOf, type CrashTest } from './every-point.js';
import { NoDirectorySync, NoFileSync } from './lying-disks.js';

// A leader has sent its whole state. Wherever the installation ends, the server starts again by
// itself with the history that it had or with that state, and never with something of both.

const TIMEOUT_MS = 120_000;
/** The old history. */
const OLD_LAST = 9;
const LEADER_TAG = 7_000;

const together: DataDirectoryOptions = { dataDir: '/data/zk' };
const apart: DataDirectoryOptions = { dataDir: '/data/zk', dataLogDir: '/data/logs' };

function logOf(from: number, to: number): Uint8Array {
  const entries = Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i, 300));
  return logFileOf(entries, 4096);
}

async function prepare(disk: Disk, options: DataDirectoryOptions): Promise<void> {
  const { snapshots, logs } = await makeDirectories(disk, options);
  for (const zxid of [2, 7]) {
    await putDurable(disk, snapshots, `snapshot.${zxid}`, await snapshotFileOf(zxid));
  }
  await putDurable(disk, logs, 'log.1', logOf(1, 3));
  await putDurable(disk, logs, 'log.4', logOf(4, 7));
  await putDurable(disk, logs, 'log.8', logOf(8, OLD_LAST));
  await putDurable(disk, logs, 'durable-mark', markOf(8, logFileOf([entryOf(8, 300)]).length));
}

class Life {
  private isInstalled = false;

  private constructor(
    private readonly options: DataDirectoryOptions,
    /** The last transaction of the leader. */
    private readonly last: number,
  ) {}

  static test(options: DataDirectoryOptions, last: number, wrap?: CrashTest['wrap']): CrashTest {
    let life = new Life(options, last);
    return {
      ...(wrap === undefined ? {} : { wrap }),
      prepare: (disk) => {
        life = new Life(options, last);
        return prepare(disk, options);
      },
      work: async (disk, { clock }) => {
        const directory = await life.recovered(disk, clock, false);
        await directory.installSnapshot(life.leaderState());
      },
      next: (disk, { clock }, isDone) => life.goOn(disk, clock, isDone),
    };
  }

  /** Starts, is sent the state again if it has the old one, and goes on behind it. */
  private async goOn(disk: Disk, clock: Clock, isDone: boolean): Promise<void> {
    let directory = await this.recovered(disk, clock, isDone);
    if (!this.isInstalled) {
      await directory.installSnapshot(this.leaderState());
      directory = await this.recovered(disk, clock, true);
    }
    const next = this.leaderEntry(this.last + 1);
    const ledger = new Ledger();
    await directory.recover(ledger, silentLog);
    if (ledger.lastZxid < next.zxid) await appendTo(directory, [next]);
    await this.recovered(disk, clock, true);
  }

  private async recovered(disk: Disk, clock: Clock, isDone: boolean): Promise<DataDirectory> {
    const directory = new DataDirectory(disk, clock, this.options);
    const ledger = new Ledger();
    await directory.recover(ledger, silentLog);
    const { entries } = ledger;
    const isOld = entries.at(-1)?.tag === entryOf(OLD_LAST).tag;
    if (isOld && (isDone || this.isInstalled)) throw new Error('the old history has come back');
    this.isInstalled = !isOld;
    const length = isOld ? OLD_LAST : Math.max(this.last, Math.min(entries.length, this.last + 1));
    if (entries.length !== length) throw new Error(`${entries.length} came back`);
    for (const [index, { zxid, tag }] of entries.entries()) {
      const expected = isOld ? entryOf(index + 1) : this.leaderEntry(index + 1);
      if (zxid !== expected.zxid || tag !== expected.tag) throw new Error(`${zxid} is another`);
    }
    return directory;
  }

  private leaderEntry(zxid: number): LedgerEntry {
    return entryOf(zxid, 20, LEADER_TAG + zxid);
  }

  private leaderState(): SnapshotSource {
    const ledger = new Ledger();
    for (let zxid = 1; zxid <= this.last; zxid++) ledger.entries.push(this.leaderEntry(zxid));
    return ledger.snapshot();
  }
}

describe.each([
  { name: 'in the place of a longer history', options: together, last: 5, stride: 1 },
  { name: 'in the place of a shorter history', options: together, last: 20, stride: 2 },
  { name: 'with logs apart from snapshots', options: apart, last: 5, stride: 3 },
])('a snapshot of a leader, $name', ({ options, last, stride }) => {
  it(
    'is there as a whole or not at all after a crash or an error at any operation',
    async () => {
      expect((await playWhole(Life.test(options, last))).operations).toBeGreaterThan(60);
      expect(await violationsOf(Life.test(options, last), stride)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

it.each([
  ['directories', NoDirectorySync],
  ['files', NoFileSync],
])(
  'a snapshot of a leader is not, where %s are not synced',
  async (_what, Lying) => {
    expect(await isConvicted(Life.test(together, 5, (disk) => new Lying(disk)))).toBe(true);
  },
  TIMEOUT_MS,
);
