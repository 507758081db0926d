import { describe, expect, it } from '@jest/globals';
import { AssertionError, DiskError } from '@aviary/foundation';
import fc from 'fast-check';
import type { HistoryProgress, HistoryReader } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { dumpOf } from './golden-logs.js';
import { Ledger } from './ledger.js';
import { RECORD_BYTES, entryOf, logFileOf } from './log-files.js';
import { DIRECTORY, LogFixture } from './log-fixture.js';
import { settled } from './manual-clock.js';
import { RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf } from './snapshot-files.js';

const BODY_BYTES = 20;
const PAYLOAD_BYTES = 32 + BODY_BYTES;

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

function logOf(zxids: readonly number[], fileBytes = 0): Uint8Array {
  return logFileOf(
    zxids.map((zxid) => entryOf(zxid, BODY_BYTES)),
    fileBytes,
  );
}

function logs(...zxids: (readonly number[])[]): RecoveryFixture {
  const fixture = new RecoveryFixture();
  for (const each of zxids) fixture.put(`log.${each[0]!.toString(16)}`, logOf(each, 16_400));
  return fixture;
}

/** Reads one piece; the zxids that came. */
async function piece(
  reader: HistoryReader,
  through: number,
  bytesMax = Infinity,
): Promise<[HistoryProgress, number[]]> {
  const zxids: number[] = [];
  const progress = await reader.read(through, bytesMax, (bytes, start, end, zxid) => {
    expect(end - start).toBe(PAYLOAD_BYTES);
    expect(bytes[start + 19]).toBe(zxid & 0xff);
    zxids.push(zxid);
  });
  return [progress, zxids];
}

/** Reads everything in pieces. */
async function all(
  reader: HistoryReader,
  through: number,
  bytesMax: number,
): Promise<[HistoryProgress, number[]]> {
  const zxids: number[] = [];
  for (;;) {
    const [progress, some] = await piece(reader, through, bytesMax);
    zxids.push(...some);
    if (progress !== 'more') return [progress, zxids];
    expect(some.length).toBeGreaterThan(0);
  }
}

describe('a history', () => {
  it('is read over all files, whatever the pieces', async () => {
    const { directory } = logs(range(1, 3), range(4, 9), range(10, 12));
    for (const after of range(1, 12)) {
      for (const bytesMax of [1, PAYLOAD_BYTES, 2.5 * PAYLOAD_BYTES, Infinity]) {
        for (const through of range(after, 12)) {
          const reader = directory.readHistory(after);
          const expected = ['complete', range(after + 1, through)];
          expect(await all(reader, through, bytesMax)).toEqual(expected);
          expect(reader.lastZxid).toBe(through);
          await reader.close();
        }
      }
    }
  });

  it('comes in pieces of about the size that was asked for', async () => {
    const reader = logs(range(1, 9)).directory.readHistory(1);
    expect(await piece(reader, 9, PAYLOAD_BYTES + 1)).toEqual(['more', [2, 3]]);
    expect(await piece(reader, 9, PAYLOAD_BYTES)).toEqual(['more', [4]]);
    expect(await piece(reader, 9, 0)).toEqual(['more', []]);
    expect(await piece(reader, 9)).toEqual(['complete', [5, 6, 7, 8, 9]]);
    expect(await piece(reader, 9)).toEqual(['complete', []]);
  });

  it('goes as far as is asked for, and then further', async () => {
    const reader = logs(range(1, 4), range(5, 9)).directory.readHistory(1);
    expect(await piece(reader, 3)).toEqual(['complete', [2, 3]]);
    expect(await piece(reader, 6)).toEqual(['complete', [4, 5, 6]]);
    expect(await piece(reader, 20)).toEqual(['caughtUp', [7, 8, 9]]);
  });

  it('goes over to a later epoch', async () => {
    const next = 0x2_0000_0001;
    const { directory } = logs(range(1, 4), [next, next + 1]);
    expect(await all(directory.readHistory(2), next + 1, 1)).toEqual([
      'complete',
      [3, 4, next, next + 1],
    ]);
    expect(await all(directory.readHistory(2), next - 1, 1)).toEqual(['complete', [3, 4]]);
  });

  it('may be repeated in a later file, or be missing at the end of an earlier one', async () => {
    const repeated = logs(range(1, 6), range(4, 9));
    expect(await all(repeated.directory.readHistory(2), 9, 1)).toEqual(['complete', range(3, 9)]);
    const broken = logs(range(1, 6), range(4, 9));
    broken.bytesOf('log.1')[logOf(range(1, 3)).length + 30]! ^= 1;
    expect(await all(broken.directory.readHistory(2), 9, 1)).toEqual(['complete', range(3, 9)]);
  });

  it('is that of a real server, to the byte', async () => {
    const files = ['log.100000001', 'log.200000004'];
    const fixture = new RecoveryFixture();
    for (const file of files) fixture.put(file, goldenDiskFile(`ensemble/server3/${file}`));
    const [{ records }] = files.map((file) => dumpOf(`ensemble/server3/${file}`)) as [
      ReturnType<typeof dumpOf>,
    ];
    const reader = fixture.directory.readHistory(records[2]!.zxid);
    const read: { zxid: number; payloadBytes: number }[] = [];
    const last = records.at(-1)!.zxid;
    const progress = await reader.read(last, Infinity, (_bytes, start, end, zxid) =>
      read.push({ zxid, payloadBytes: end - start }),
    );
    expect(progress).toBe('complete');
    expect(read).toMatchObject(
      records.slice(3).map(({ zxid, payloadBytes }) => ({ zxid, payloadBytes })),
    );
    // What this follower was sent as a snapshot is not in its log.
    expect(await piece(reader, 0x2_0000_0004)).toEqual(['gone', []]);
  });

  it('of any files comes as it was written', async () => {
    const LAST = 40;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 2, max: LAST }), { maxLength: 6 }),
        fc.integer({ min: 1, max: LAST }),
        fc.integer({ min: 1, max: LAST + 2 }),
        fc.integer({ min: 1, max: 400 }),
        async (starts, after, through, bytesMax) => {
          const firsts = [1, ...starts].sort((a, b) => a - b);
          const files = firsts.map((first, i) => range(first, (firsts[i + 1] ?? LAST + 1) - 1));
          const reader = logs(...files).directory.readHistory(after);
          const [progress, zxids] = await all(reader, through, bytesMax);
          expect(zxids).toEqual(range(after + 1, Math.min(through, LAST)));
          expect(progress).toBe(through <= LAST || through <= after ? 'complete' : 'caughtUp');
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });
});

describe('a history is gone', () => {
  it('when the logs start later', async () => {
    const reader = logs(range(5, 9)).directory.readHistory(3);
    expect(await piece(reader, 9)).toEqual(['gone', []]);
    expect(reader.floor).toBeNull();
    expect(await piece(reader, 9)).toEqual(['gone', []]);
  });

  it('but not when they start with the very next transaction', async () => {
    const reader = logs(range(5, 9)).directory.readHistory(4);
    expect(await piece(reader, 9)).toEqual(['complete', range(5, 9)]);
    expect(reader.floor).toBe(4);
  });

  it('where a transaction is missing', async () => {
    const between = logs(range(1, 3), range(5, 9)).directory;
    expect(await piece(between.readHistory(1), 9)).toEqual(['gone', [2, 3]]);
    const within = logs([1, 2, 3, 5, 6]).directory;
    expect(await piece(within.readHistory(1), 9)).toEqual(['gone', [2, 3]]);
    const epoch = logs(range(1, 3), [0x1_0000_0002]).directory;
    expect(await piece(epoch.readHistory(1), 0x1_0000_0002)).toEqual(['gone', [2, 3]]);
  });

  it('where a transaction is damaged', async () => {
    const fixture = logs(range(1, 9), range(10, 12));
    fixture.bytesOf('log.1')[logOf(range(1, 5)).length + 30]! ^= 1;
    expect(await piece(fixture.directory.readHistory(2), 12)).toEqual(['gone', [3, 4, 5]]);
  });

  it('when it was purged while it was read', async () => {
    const fixture = logs(range(1, 3), range(4, 6), range(7, 9));
    const reader = fixture.directory.readHistory(1);
    expect(await piece(reader, 9, 1)).toEqual(['more', [2]]);
    await fixture.disk.remove(`${DIRECTORY}/log.1`);
    await fixture.disk.remove(`${DIRECTORY}/log.4`);
    // The file that is open can be read to its end.
    expect(await piece(reader, 9)).toEqual(['gone', [3]]);
    expect(reader.lastZxid).toBe(3);
  });

  it('when it was purged between a look at the names and the file', async () => {
    for (const [doomed, expected] of [
      ['log.1', []],
      ['log.4', [2, 3]],
    ] as const) {
      const { directory, disk } = logs(range(1, 3), range(4, 6));
      const { open } = disk;
      disk.open = (path, mode) =>
        path.endsWith(doomed)
          ? Promise.reject(new DiskError('ENOENT', path, 'open'))
          : open.call(disk, path, mode);
      expect(await piece(directory.readHistory(1), 6)).toEqual(['gone', expected]);
    }
  });

  it('before a snapshot that a leader has sent, though its files are still there', async () => {
    const fixture = logs(range(1, 9));
    const ledger = new Ledger();
    ledger.entries.push(entryOf(0x2_0000_0000));
    await fixture.directory.installSnapshot(ledger.snapshot());
    fixture.put('log.200000001', logOf([0x2_0000_0001]));
    const { directory } = fixture;
    expect(await piece(directory.readHistory(7), 0x2_0000_0001)).toEqual(['gone', []]);
    expect(await piece(directory.readHistory(0x2_0000_0000), 0x2_0000_0001)).toEqual([
      'complete',
      [0x2_0000_0001],
    ]);
  });

  it('not, when the disk fails: that is an error', async () => {
    const { directory, disk } = logs(range(1, 3));
    disk.open = (path) => Promise.reject(new DiskError('EIO', path, 'open'));
    await expect(piece(directory.readHistory(1), 3)).rejects.toThrow(DiskError);
  });
});

describe('a history that is being written', () => {
  it('is read as far as it is durable', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1);
    await settled();
    const reader = fixture.directory.readHistory(1);
    expect(await piece(reader, 9)).toEqual(['caughtUp', []]);
    fixture.disk.holds = /^commit/;
    fixture.append(BODY_BYTES, 2, 3);
    await settled();
    // The records may be in the file already: nobody knows yet that they will stay.
    const records = logOf([1, 2, 3]);
    fixture.file(1).set(records);
    expect(await piece(reader, 9)).toEqual(['caughtUp', []]);
    await fixture.disk.release();
    await settled();
    expect(await piece(reader, 9)).toEqual(['caughtUp', [2, 3]]);
    expect(await piece(fixture.directory.readHistory(1), 9)).toEqual(['caughtUp', [2, 3]]);
  });

  it('is read over to the next file', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1);
    await settled();
    const reader = fixture.directory.readHistory(1);
    expect(await piece(reader, 9)).toEqual(['caughtUp', []]);
    fixture.append(BODY_BYTES, 2);
    await settled();
    fixture.log.roll();
    fixture.disk.holds = /^commit/;
    fixture.append(BODY_BYTES, 3, 4);
    await settled();
    expect(await piece(reader, 9)).toEqual(['caughtUp', [2]]);
    await fixture.disk.release();
    await settled();
    expect(await piece(reader, 9, 1)).toEqual(['more', [3]]);
    expect(await piece(reader, 4, 1)).toEqual(['complete', [4]]);
    await fixture.disk.release(/^commit/).catch(() => undefined);
    await reader.close();
  });

  it('is read to its end at every step of a file that is begun', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1);
    await settled();
    fixture.log.roll();
    const waiting = fixture.directory.readHistory(1);
    expect(await piece(waiting, 9)).toEqual(['caughtUp', []]);
    fixture.disk.holds = /tmp\.log\.2|syncDirectory|durable-mark/;
    fixture.append(BODY_BYTES, 2);
    let steps = 0;
    for (await settled(); fixture.durable.length < 2; await settled(), steps++) {
      expect(await piece(waiting, 9)).toEqual(['caughtUp', []]);
      expect(await piece(fixture.directory.readHistory(1), 9)).toEqual(['caughtUp', []]);
      await fixture.disk.release();
    }
    expect(steps).toBeGreaterThan(6);
    expect(await piece(waiting, 9)).toEqual(['caughtUp', [2]]);
  });

  it('is read before the first file was begun', async () => {
    const fixture = await LogFixture.open();
    fixture.disk.memory.put(`${DIRECTORY}/log.1`, logOf([1, 2], 16_400));
    const reader = fixture.directory.readHistory(1);
    expect(await piece(reader, 9)).toEqual(['caughtUp', [2]]);
    fixture.append(BODY_BYTES, 3);
    await settled();
    expect(await piece(reader, 9)).toEqual(['caughtUp', [3]]);
  });

  it('is read whole when the log was closed', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1);
    await settled();
    const reader = fixture.directory.readHistory(1);
    expect(await piece(reader, 9)).toEqual(['caughtUp', []]);
    fixture.append(BODY_BYTES, 2, 3);
    await fixture.log.close();
    expect(await piece(reader, 9)).toEqual(['caughtUp', [2, 3]]);
  });

  it('and is damaged before its durable end is gone there', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1, 2, 3);
    await settled();
    fixture.file(1)[logOf([1, 2]).length + 20]! ^= 1;
    expect(await piece(fixture.directory.readHistory(1), 9)).toEqual(['gone', [2]]);
  });
});

describe('a reader', () => {
  it('is for one at a time', async () => {
    const reader = logs(range(1, 3)).directory.readHistory(1);
    const first = piece(reader, 3);
    await expect(piece(reader, 3)).rejects.toThrow(AssertionError);
    expect(await first).toEqual(['complete', [2, 3]]);
  });

  it('closes every file that it opened', async () => {
    const fixture = await LogFixture.open({ preAllocBytes: 0 });
    for (const [name, zxids] of Object.entries({ 1: range(1, 3), 4: range(4, 6), 7: [7] })) {
      fixture.disk.memory.put(`${DIRECTORY}/log.${name}`, logOf(zxids));
    }
    for (const after of [2, 5, 9]) {
      const reader = fixture.directory.readHistory(after);
      await piece(reader, 20);
      await reader.close();
      await reader.close();
      expect(await piece(reader, 30)).toEqual(['gone', []]);
    }
    const asked = fixture.disk.takeAsked();
    const count = (what: string) => asked.filter((label) => label.startsWith(what)).length;
    expect(count('open log')).toBe(6);
    expect(count('close log')).toBe(6);
  });
});

describe('a look at a history', () => {
  const recordBytes = RECORD_BYTES + BODY_BYTES;

  it.each([
    [5, 8, { floor: 5, next: 6, last: 8, bytes: 3 * recordBytes }],
    [9, 9, { floor: 9, next: null, last: 9, bytes: 0 }],
    [1, 9, { floor: null, next: null, last: 0, bytes: 0 }],
    [8, 30, { floor: 8, next: 9, last: 9, bytes: recordBytes }],
    [20, 30, { floor: 9, next: null, last: 9, bytes: 0 }],
  ])('behind %i up to %i', async (after, through, section) => {
    const { directory } = logs(range(3, 6), range(7, 9));
    expect(await directory.inspectHistory(after, through)).toEqual(section);
  });

  it('tells what stands around a transaction that is not there', async () => {
    const next = 0x2_0000_0001;
    const { directory } = logs(range(1, 4), range(next, next + 3));
    expect(await directory.inspectHistory(7, next)).toMatchObject({ floor: 4, next, last: next });
    expect(await directory.inspectHistory(next - 1, next + 2)).toMatchObject({
      floor: 4,
      next,
      last: next + 2,
    });
  });

  it('ends where it becomes too much', async () => {
    const zxids = range(1, 60);
    const fixture = new RecoveryFixture().put(
      'log.1',
      logFileOf(zxids.map((zxid) => entryOf(zxid, 100_000))),
    );
    const section = await fixture.directory.inspectHistory(1, 60, 2_000_000);
    expect(section.bytes).toBeGreaterThan(2_000_000);
    expect(section.bytes).toBeLessThan(4_000_000);
  });

  it('leaves no file open', async () => {
    const fixture = await LogFixture.open();
    fixture.append(BODY_BYTES, 1, 2, 3);
    await settled();
    fixture.disk.takeAsked();
    await fixture.directory.inspectHistory(1, 3);
    expect(fixture.disk.asked.filter((label) => /^(open|close) log/.test(label))).toEqual([
      'open log.1 read',
      'close log.1',
    ]);
  });
});

describe('the newest snapshot', () => {
  it('has a size, unless it is not whole', async () => {
    const fixture = new RecoveryFixture();
    expect(await fixture.directory.newestSnapshotBytes()).toBeNull();
    const snapshot = await snapshotFileOf(5);
    fixture
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.5', snapshot)
      .put('snapshot.9', (await snapshotFileOf(9)).subarray(0, 60));
    expect(await fixture.directory.newestSnapshotBytes()).toBe(snapshot.length);
  });
});
