import { describe, expect, it } from '@jest/globals';
import { SeededRandom } from '@aviary/simulator';
import { DataDirectory, SnapshotPolicy, type SnapshotSource } from '@aviary/storage';
import { ManualClock } from './manual-clock.js';
import { ScriptedDisk } from './scripted-disk.js';

const MIB = 1 << 20;

/** A source of pieces that notes whether it was closed. */
class Pieces implements SnapshotSource {
  readonly zxid = 0x1f;
  readonly digest = null;
  isClosed = false;

  constructor(private left: number) {}

  next(): Uint8Array | null {
    return this.left-- > 0 ? new Uint8Array(MIB) : null;
  }

  close(): void {
    this.isClosed = true;
  }
}

function directoryOn(disk: ScriptedDisk): DataDirectory {
  return new DataDirectory(disk, new ManualClock(), { dataDir: '/data' });
}

describe('a snapshot', () => {
  it('has its name when it is whole and on the disk, and its name is made durable', async () => {
    const disk = new ScriptedDisk();
    const bytes = await directoryOn(disk).writeSnapshot(new Pieces(1));
    expect(bytes).toBe(16 + MIB + 13);
    expect(disk.asked).toEqual([
      'open tmp.snapshot.1f create',
      'write tmp.snapshot.1f 0+16',
      `write tmp.snapshot.1f 16+${MIB}`,
      `write tmp.snapshot.1f ${16 + MIB}+13`,
      'sync tmp.snapshot.1f',
      'close tmp.snapshot.1f',
      'rename tmp.snapshot.1f snapshot.1f',
      'syncDirectory version-2',
    ]);
  });

  it('is synced on the way, so that no sync holds up the log for long', async () => {
    const disk = new ScriptedDisk();
    await directoryOn(disk).writeSnapshot(new Pieces(13));
    expect(disk.asked.filter((label) => label.startsWith('sync '))).toHaveLength(4);
  });

  it('waits for the disk before it asks for the next piece', async () => {
    const disk = new ScriptedDisk();
    disk.holds = /^write tmp\.snapshot\.1f 16\+/;
    const source = new Pieces(2);
    const written = directoryOn(disk).writeSnapshot(source);
    await new Promise(setImmediate);
    expect(disk.asked.at(-1)).toBe(`write tmp.snapshot.1f 16+${MIB}`);
    await disk.release();
    await written;
  });

  it.each(['open', 'write', 'sync tmp', 'close', 'rename'])(
    'is given up when the disk fails at "%s", and leaves nothing behind',
    async (label) => {
      const disk = new ScriptedDisk();
      disk.failNext(new RegExp(`^${label}`), 'ENOSPC');
      const source = new Pieces(6);
      await expect(directoryOn(disk).writeSnapshot(source)).rejects.toMatchObject({
        code: 'ENOSPC',
      });
      expect(source.isClosed).toBe(true);
      expect(disk.memory.paths()).toEqual([]);
    },
  );
});

describe('the time for a snapshot', () => {
  const seeds = Array.from({ length: 200 }, (_, i) => i);

  /** After how many transactions of so many bytes a snapshot is due. */
  function dueAfter(seed: number, snapCount: number, snapBytes: number, bytes: number): number {
    const policy = new SnapshotPolicy({ snapCount, snapBytes }, new SeededRandom(seed));
    let count = 1;
    while (!policy.logged(1, bytes)) count++;
    return count;
  }

  it('is somewhere between half and all of snapCount', () => {
    const counts = seeds.map((seed) => dueAfter(seed, 100, 0, 1_000_000));
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThanOrEqual(100);
    expect(new Set(counts).size).toBeGreaterThan(20);
  });

  it('is as well between half and all of the bytes', () => {
    const counts = seeds.map((seed) => dueAfter(seed, 1_000_000, 1_000, 10));
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...counts)).toBeLessThanOrEqual(101);
    expect(new Set(counts).size).toBeGreaterThan(20);
  });

  it('is counted anew from each', () => {
    const policy = new SnapshotPolicy({ snapCount: 100, snapBytes: 0 }, new SeededRandom(1));
    expect(policy.logged(101, 0)).toBe(true);
    expect(policy.logged(0, 0)).toBe(true);
    policy.reset();
    expect(policy.logged(50, 0)).toBe(false);
    expect(policy.logged(51, 0)).toBe(true);
  });
});
