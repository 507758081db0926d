import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { entryOf, logFileOf } from './log-files.js';
import { RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf } from './snapshot-files.js';

const KEPT = 3;

function name(kind: 'log' | 'snapshot', zxid: number): string {
  return `${kind}.${zxid.toString(16)}`;
}

/** Transactions 1 to `last`, in log files that start at these zxids. */
function putLogs(fixture: RecoveryFixture, starts: readonly number[], last: number): void {
  for (const [index, start] of starts.entries()) {
    const end = (starts[index + 1] ?? last + 1) - 1;
    const zxids = Array.from({ length: end - start + 1 }, (_, i) => start + i);
    fixture.put(name('log', start), logFileOf(zxids.map((zxid) => entryOf(zxid))));
  }
}

async function putSnapshots(fixture: RecoveryFixture, zxids: readonly number[]): Promise<void> {
  for (const zxid of zxids) fixture.put(name('snapshot', zxid), await snapshotFileOf(zxid));
}

async function filled(
  starts: readonly number[],
  last: number,
  ...snapshots: number[]
): Promise<RecoveryFixture> {
  const fixture = new RecoveryFixture();
  putLogs(fixture, starts, last);
  await putSnapshots(fixture, snapshots);
  return fixture;
}

describe('a purge', () => {
  it('keeps the newest snapshots and the logs behind the oldest of them', async () => {
    const fixture = await filled([1, 5, 9, 13, 17], 20, 4, 8, 12, 16, 20);
    const removed = await fixture.directory.purge(KEPT);
    expect(removed).toEqual(['snapshot.4', 'snapshot.8', 'log.1', 'log.5']);
    // The log that starts at 9 ends with the oldest snapshot, but only reading it tells.
    expect(fixture.names()).toEqual([
      'log.11',
      'log.9',
      'log.d',
      'snapshot.10',
      'snapshot.14',
      'snapshot.c',
    ]);
  });

  it('keeps a log that starts with the oldest snapshot kept, and the one that goes beyond', async () => {
    const equal = await filled([1, 6, 10], 20, 2, 10, 12, 14);
    expect(await equal.directory.purge(KEPT)).toEqual(['snapshot.2', 'log.1', 'log.6']);
    const beyond = await filled([1, 6, 11], 20, 2, 10, 12, 14);
    expect(await beyond.directory.purge(KEPT)).toEqual(['snapshot.2', 'log.1']);
  });

  it('keeps three however few are asked for, and more if asked', async () => {
    for (const keep of [-1, 0, 1, 3]) {
      const fixture = await filled([1], 20, 4, 8, 12, 16);
      expect(await fixture.directory.purge(keep)).toEqual(['snapshot.4']);
    }
    const fixture = await filled([1], 20, 4, 8, 12, 16, 20);
    expect(await fixture.directory.purge(4)).toEqual(['snapshot.4']);
  });

  it('removes nothing while there are no more than it keeps', async () => {
    for (const snapshots of [[], [4], [4, 8, 12]]) {
      const fixture = await filled([1], 20, ...snapshots);
      expect(await fixture.directory.purge(KEPT)).toEqual([]);
    }
  });

  it('does not count a snapshot that is not whole, and leaves it', async () => {
    const fixture = await filled([1, 5, 9, 13], 20, 4, 8, 12, 16);
    fixture.put('snapshot.14', (await snapshotFileOf(20)).subarray(0, 60));
    fixture.put('snapshot.15', new Uint8Array(0));
    expect(await fixture.directory.purge(KEPT)).toEqual(['snapshot.4', 'log.1']);
    expect(fixture.names()).toContain('snapshot.14');
  });

  it('has no hand in files that are none of its own', async () => {
    const fixture = await filled([1], 20, 4, 8, 12, 16);
    for (const other of [
      'notes.txt',
      'snapshot.old',
      'tmp.snapshot.1',
      'durable-mark',
      'log.1.bak',
    ])
      fixture.put(other, new Uint8Array(3));
    expect(await fixture.directory.purge(KEPT)).toEqual(['snapshot.4']);
  });

  it('finds snapshots and logs where they are kept apart', async () => {
    const fixture = new RecoveryFixture('/logs');
    await putSnapshots(fixture, [4, 8, 12, 16]);
    for (const start of [1, 5, 9]) fixture.disk.put(`/logs/version-2/log.${start}`, logFileOf([]));
    expect(await fixture.directory.purge(KEPT)).toEqual(['snapshot.4', 'log.1']);
  });
});

describe('after a purge', () => {
  const LAST = 40;
  const zxids = (min: number) => fc.uniqueArray(fc.integer({ min, max: LAST }), { maxLength: 9 });

  it('any of the snapshots that it kept brings everything back', async () => {
    await fc.assert(
      fc.asyncProperty(zxids(2), zxids(1), async (starts, snapshots) => {
        const ascending = (all: readonly number[]) => [...all].sort((a, b) => a - b);
        const fixture = await filled(ascending([1, ...starts]), LAST, ...ascending(snapshots));
        const removed = await fixture.directory.purge(KEPT);
        const kept = ascending(snapshots).filter(
          (zxid) => !removed.includes(name('snapshot', zxid)),
        );
        expect(kept).toEqual(ascending(snapshots).slice(-KEPT));
        // The newest is lost, then the one before it.
        for (const newest of kept.reverse()) {
          expect(await fixture.recover()).toMatchObject({ lastZxid: LAST, snapshotZxid: newest });
          expect(fixture.zxids.length).toBe(LAST);
          fixture.put(name('snapshot', newest), new Uint8Array(30));
        }
      }),
      { seed: 11, numRuns: 150 },
    );
  });
});
