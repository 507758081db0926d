import { describe, expect, it } from '@jest/globals';
import type { Disk, DiskFile } from '@aviary/foundation';
import {
  checkDurability,
  powerCut,
  World,
  WriteHistory,
  type CrashMoment,
  type SimulatedHost,
  type Unsynced,
} from '@aviary/simulator';

// A journal of fixed-size records, right and with bugs: the disk must let the right one pass at
// every crash point, and convict every wrong one.

const RECORD_BYTES = 700;
const MARK = 0x4a;
const moments: readonly CrashMoment[] = ['before', 'middle', 'after'];

type Bug = 'none' | 'noDirectorySync' | 'noFileSync' | 'earlyAck' | 'retriedSync';

function record(value: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES).fill(value);
  bytes[0] = MARK;
  return bytes;
}

class Journal {
  private position = 0;

  private constructor(
    private readonly file: DiskFile,
    private readonly bug: Bug,
  ) {}

  static async create(disk: Disk, bug: Bug): Promise<Journal> {
    const file = await disk.open('/data/journal', 'create');
    if (bug !== 'noDirectorySync') await disk.syncDirectory('/data');
    return new Journal(file, bug);
  }

  async append(value: number, acknowledge: () => void): Promise<void> {
    const position = this.position;
    this.position += RECORD_BYTES;
    await this.file.write(record(value), position);
    if (this.bug === 'earlyAck') acknowledge();
    if (this.bug !== 'noFileSync') await this.sync();
    if (this.bug !== 'earlyAck') acknowledge();
  }

  private async sync(): Promise<void> {
    try {
      await this.file.sync();
    } catch (error) {
      if (this.bug !== 'retriedSync') throw error;
      await this.file.sync();
    }
  }
}

/** The records that are whole, from the first on. */
async function recover(disk: Disk): Promise<number[]> {
  if (!(await disk.list('/data')).includes('journal')) return [];
  const file = await disk.open('/data/journal', 'read');
  const values: number[] = [];
  const bytes = new Uint8Array(RECORD_BYTES);
  for (let position = 0; ; position += RECORD_BYTES) {
    if ((await file.read(bytes, position)) < RECORD_BYTES || bytes[0] !== MARK) return values;
    const value = bytes[1]!;
    if (value === 0 || !bytes.subarray(1).every((byte) => byte === value)) return values;
    values.push(value);
  }
}

/** Runs the journal until it has written five records or the power goes; then recovers. */
async function violations(
  seed: number,
  bug: Bug,
  plan: (host: SimulatedHost) => void,
): Promise<string[]> {
  const world = new World({ seed });
  const host = world.addHost('one');
  plan(host);
  const history = new WriteHistory();
  const { disk } = host.boot();
  const main = async () => {
    const journal = await Journal.create(disk, bug);
    for (let value = 1; value <= 5; value++) {
      const write = history.begin(`record ${value}`, 'there');
      await journal.append(value, () => write.acknowledged(value));
    }
  };
  let isOver = false;
  void main()
    .catch(() => undefined) // a failed sync stops the journal, as it must
    .finally(() => (isOver = true));
  await world.reach(() => isOver || host.process?.isAlive === false);
  const recovered = await world.settle(recover(host.restart(powerCut).disk));
  const values = new Set(recovered.map((value) => `record ${value}`));
  const valueOf = (key: string) => (values.has(key) ? 'there' : null);
  return checkDurability(history.writes, { valueOf }).map(({ rule }) => rule);
}

/** All crash points of the scenario: after how many operations, and where in the last. */
async function* crashPoints(bug: Bug, seeds: number) {
  const world = new World({ seed: 0 });
  const host = world.addHost('one');
  const journal = await world.settle(Journal.create(host.boot().disk, bug));
  for (let value = 1; value <= 5; value++) {
    await world.settle(journal.append(value, () => undefined));
  }
  const count = host.drive.operationCount;
  for (let seed = 1; seed <= seeds; seed++) {
    for (let number = 1; number <= count; number++) {
      for (const moment of moments) yield { seed, number, moment };
    }
  }
}

async function findings(bug: Bug, seeds: number, unsynced: Unsynced): Promise<string[]> {
  const found: string[] = [];
  for await (const { seed, number, moment } of crashPoints(bug, seeds)) {
    const plan = (host: SimulatedHost) => host.drive.crashAt(number, moment, unsynced);
    found.push(...(await violations(seed, bug, plan)));
  }
  return found;
}

describe('crash points', () => {
  it.each(['drawn', 'lost', 'kept'] as const)('let a right journal pass (%s)', async (unsynced) => {
    expect(await findings('none', 8, unsynced)).toEqual([]);
  });

  it.each(['noDirectorySync', 'noFileSync', 'earlyAck'] as const)('convict %s', async (bug) => {
    expect(await findings(bug, 3, 'drawn')).toContain('no acknowledged write is lost');
    expect(await findings(bug, 1, 'lost')).toContain('no acknowledged write is lost');
  });

  it('do not convict who had luck: all had just been written back', async () => {
    expect(await findings('noDirectorySync', 1, 'kept')).toEqual([]);
  });

  it('are as many as the scenario has operations, each hit once', async () => {
    const seen = new Set<string>();
    for await (const { seed, number, moment } of crashPoints('none', 1)) {
      const world = new World({ seed });
      const host = world.addHost('one');
      host.drive.crashAt(number, moment);
      const process = host.boot();
      const main = async () => {
        const journal = await Journal.create(process.disk, 'none');
        for (let value = 1; value <= 5; value++) await journal.append(value, () => undefined);
      };
      void main();
      await world.reach(() => !process.isAlive);
      expect(host.drive.operationCount).toBe(number);
      seen.add(`${number} ${moment}`);
    }
    // open, sync of the directory, and five times a write and a sync
    expect(seen.size).toBe(12 * 3);
  });
});

describe('a sync that fails once', () => {
  const failingSync = (nth: number) => (host: SimulatedHost) =>
    host.drive.failNext('sync', { nth });

  it('is survived by who stops', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      for (let nth = 1; nth <= 5; nth++) {
        expect(await violations(seed, 'none', failingSync(nth))).toEqual([]);
      }
    }
  });

  it('convicts who tries again', async () => {
    const found: string[] = [];
    for (let seed = 1; seed <= 10; seed++) {
      found.push(...(await violations(seed, 'retriedSync', failingSync(3))));
    }
    expect(found).toContain('no acknowledged write is lost');
  });
});
