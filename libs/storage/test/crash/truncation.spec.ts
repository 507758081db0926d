import { describe, expect, it } from '@jest/globals';
import { silentLog, type Clock, type Disk } from '@aviary/foundation';
import { DataDirectory, type DataDirectoryOptions } from '@aviary/storage';
import { Ledger } from '../ledger.js';
import { entryOf, logFileOf, markOf } from '../log-files.js';
import { snapshotFileOf } from '../snapshot-files.js';
import { appendTo, makeDirectories } from './appending.js';
import { isConvicted, playWhole, putDurable, violationsOf, type CrashTest } from './every-point.js';
import { NoDirectorySync, NoFileSync } from './lying-disks.js';

// A leader has told the server to cut its log. Wherever that ends, the server starts again by
// itself, with all of its history or with what was to stay, and can be told again.

const TIMEOUT_MS = 120_000;
const LAST = 12;
const TARGET = 5;
/** What comes behind the target in the history of the leader. */
const NEXT = entryOf(6, 33, 999);

const together: DataDirectoryOptions = { dataDir: '/data/zk' };
const apart: DataDirectoryOptions = { dataDir: '/data/zk', dataLogDir: '/data/logs' };

function logOf(from: number, to: number): Uint8Array {
  const entries = Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i, 300));
  return logFileOf(entries, 8192);
}

async function prepare(disk: Disk, options: DataDirectoryOptions): Promise<void> {
  const { snapshots, logs } = await makeDirectories(disk, options);
  for (const zxid of [2, 4, 7, 10]) {
    // The one of 4 was begun at 4, and 6 was in it when it ended.
    const content = zxid === 4 ? 6 : zxid;
    const name = `snapshot.${zxid.toString(16)}`;
    await putDurable(disk, snapshots, name, await snapshotFileOf(content));
  }
  await putDurable(disk, logs, 'log.1', logOf(1, 3));
  await putDurable(disk, logs, 'log.4', logOf(4, 7));
  await putDurable(disk, logs, 'log.8', logOf(8, 9));
  await putDurable(disk, logs, 'log.a', logOf(10, LAST));
  await putDurable(disk, logs, 'durable-mark', markOf(10, logFileOf([entryOf(10, 300)]).length));
}

/** What a process did and saw, checked against what the ones before it saw. */
class Life {
  private wasCut = false;

  private constructor(private readonly options: DataDirectoryOptions) {}

  static test(options: DataDirectoryOptions, wrap?: CrashTest['wrap']): CrashTest {
    let life = new Life(options);
    return {
      ...(wrap === undefined ? {} : { wrap }),
      prepare: (disk) => {
        life = new Life(options);
        return prepare(disk, options);
      },
      work: async (disk, { clock }) => {
        const directory = await life.recovered(disk, clock, false);
        await directory.truncate(TARGET, new Ledger(), silentLog);
      },
      next: (disk, { clock }, isDone) => life.goOn(disk, clock, isDone),
    };
  }

  /** Starts, is told to cut again unless it has gone on since, and goes on. */
  private async goOn(disk: Disk, clock: Clock, isDone: boolean): Promise<void> {
    const ledger = new Ledger();
    let directory = await this.recovered(disk, clock, isDone, ledger);
    if (ledger.entries.some(({ tag }) => tag === NEXT.tag)) return;
    const cut = new Ledger();
    await directory.truncate(TARGET, cut, silentLog);
    if (cut.entries.length !== TARGET) throw new Error(`cut to ${cut.entries.length}`);
    this.wasCut = true;
    directory = await this.recovered(disk, clock, true);
    await appendTo(directory, [NEXT]);
    await this.recovered(disk, clock, true);
  }

  private async recovered(
    disk: Disk,
    clock: Clock,
    isDone: boolean,
    ledger = new Ledger(),
  ): Promise<DataDirectory> {
    const directory = new DataDirectory(disk, clock, this.options);
    await directory.recover(ledger, silentLog);
    const { entries } = ledger;
    const hasGoneOn = entries.at(-1)?.tag === NEXT.tag;
    const old = hasGoneOn ? entries.slice(0, -1) : entries;
    for (const [index, { zxid, tag }] of old.entries()) {
      const expected = entryOf(index + 1);
      if (zxid !== expected.zxid || tag !== expected.tag) throw new Error(`${zxid} is another`);
    }
    const isCut = old.length === TARGET;
    if (!isCut && (isDone || this.wasCut)) throw new Error('what was cut has come back');
    if (!isCut && old.length !== LAST) throw new Error(`${old.length} came back`);
    // From now on others know where the history of this server ends.
    this.wasCut = isCut;
    return directory;
  }
}

describe.each([
  { name: 'one directory', options: together, stride: 1 },
  { name: 'logs apart from snapshots', options: apart, stride: 3 },
])('a truncation, $name', ({ options, stride }) => {
  it(
    'cut short by a crash or an error at any operation is recovered from, and can be repeated',
    async () => {
      expect((await playWhole(Life.test(options))).operations).toBeGreaterThan(60);
      expect(await violationsOf(Life.test(options), stride)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

it.each([
  ['directories', NoDirectorySync],
  ['files', NoFileSync],
])(
  'a truncation is not, where %s are not synced',
  async (_what, Lying) => {
    expect(await isConvicted(Life.test(together, (disk) => new Lying(disk)))).toBe(true);
  },
  TIMEOUT_MS,
);
