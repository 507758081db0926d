import { describe, expect, it } from '@jest/globals';
import type { Zxid } from '@aviary/foundation';
import { DataDirectory, scanLog } from '@aviary/storage';
import { DATA_DIR, DIRECTORY, LogFixture } from './log-fixture.js';
import { settled } from './manual-clock.js';

const KIB = 1024;
/** A record with an empty body: frame and header of the transaction. */
const RECORD_BYTES = 45;

function range(from: Zxid, to: Zxid): Zxid[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** What a file holds, by a scan. */
async function zxidsIn(fixture: LogFixture, name: Zxid): Promise<Zxid[]> {
  const zxids: Zxid[] = [];
  const path = `${DIRECTORY}/log.${name.toString(16)}`;
  await scanLog(fixture.disk.memory, path, (_bytes, _start, _end, zxid) => zxids.push(zxid));
  return zxids;
}

describe('a new file', () => {
  it('is whole and durable, name included, before its first record is written', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 0x1f);
    await settled();
    expect(fixture.disk.asked.slice(0, 9)).toEqual([
      'open tmp.log.1f create',
      'write tmp.log.1f 0+16',
      'truncate tmp.log.1f 16400',
      'sync tmp.log.1f',
      'rename tmp.log.1f log.1f',
      'syncDirectory version-2',
      'write durable-mark 0+28',
      'sync durable-mark',
      `commit tmp.log.1f 16+${RECORD_BYTES}`,
    ]);
    expect(fixture.durable).toEqual([[0x1f]]);
  });

  it.each(['sync tmp.log.1', 'rename', 'syncDirectory', 'sync durable-mark'])(
    'waits for "%s"',
    async (step) => {
      const fixture = await LogFixture.open();
      fixture.disk.holds = new RegExp(step);
      fixture.append(0, 1);
      await settled();
      expect(fixture.disk.waiting.length).toBe(1);
      expect(fixture.disk.asked.some((label) => label.startsWith('commit'))).toBe(false);
      await fixture.disk.release();
      await settled();
      expect(fixture.durable).toEqual([[1]]);
    },
  );

  it('is not padded when that is switched off', async () => {
    const fixture = await LogFixture.open({ preAllocBytes: 0 });
    fixture.append(0, 1);
    await settled();
    fixture.append(5 * KIB, 2);
    await settled();
    expect(fixture.disk.asked.some((label) => label.startsWith('truncate'))).toBe(false);
    expect(fixture.file(1).length).toBe(16 + 2 * RECORD_BYTES + 5 * KIB);
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2]);
  });
});

describe('group commit', () => {
  it('brings all that arrive meanwhile to the disk with one commit', async () => {
    const fixture = await LogFixture.holding();
    fixture.append(0, 2);
    fixture.append(0, 3);
    fixture.append(0, 4, 5);
    fixture.add(0, 6);
    expect(fixture.log.waiting).toBe(4);
    expect(fixture.log.waitingBytes).toBe(4 * RECORD_BYTES);
    await fixture.disk.release();
    await settled();
    expect(fixture.durable).toEqual([[1], [2]]);
    expect(fixture.disk.waiting).toEqual([
      `commit tmp.log.1 ${16 + 2 * RECORD_BYTES}+${4 * RECORD_BYTES}`,
    ]);
    fixture.append(0, 7);
    await fixture.disk.release();
    await settled();
    expect(fixture.durable).toEqual([[1], [2], [3, 4, 5, 6]]);
    await fixture.disk.release();
    await settled();
    expect(fixture.durable.at(-1)).toEqual([7]);
    expect(await zxidsIn(fixture, 1)).toEqual(range(1, 7));
  });

  it('has the next batch on its way while the one before is applied', async () => {
    const fixture = await LogFixture.holding();
    fixture.append(0, 2);
    fixture.append(0, 3);
    let waitingThen: string[] = [];
    fixture.whenDurable = () => (waitingThen = fixture.disk.waiting);
    await fixture.disk.release();
    await settled();
    expect(waitingThen).toEqual([`commit tmp.log.1 ${16 + 2 * RECORD_BYTES}+${RECORD_BYTES}`]);
  });

  it('takes what the listener appends while it is told', async () => {
    const fixture = await LogFixture.open();
    fixture.whenDurable = () => {
      if (fixture.entries.length < 4) fixture.append(0, fixture.entries.length + 1);
    };
    fixture.append(0, 1);
    await settled();
    expect(fixture.durable).toEqual([[1], [2], [3], [4]]);
  });

  it('sends nothing without a flush, and nothing when nothing waits', async () => {
    const fixture = await LogFixture.open();
    fixture.log.flush();
    fixture.add(0, 1);
    await settled();
    expect(fixture.disk.asked).toEqual([]);
    fixture.log.flush();
    fixture.log.flush();
    await settled();
    expect(fixture.disk.asked.filter((label) => label.startsWith('commit')).length).toBe(1);
  });

  it('counts its syncs and how long they take', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    for (const tookMs of [7, 3]) {
      fixture.disk.holds = /^commit/;
      fixture.append(0, fixture.entries.length + 1);
      fixture.clock.advance(tookMs);
      await fixture.disk.release();
      await settled();
    }
    expect(fixture.log.syncs).toEqual({ count: 3, totalMs: 10, longestMs: 7 });
  });
});

describe('batches', () => {
  it('may be larger than their buffer, which is used again afterwards', async () => {
    const fixture = await LogFixture.open({ preAllocBytes: 64 * KIB });
    const buffers = new Set<ArrayBufferLike>();
    for (let zxid = 1; zxid <= 30; zxid++) {
      buffers.add(fixture.log.begin().bytes.buffer);
      const isLarge = zxid % 10 === 0;
      fixture.append(isLarge ? 700 * KIB : 10, zxid, ...(isLarge ? [zxid + 1, zxid + 2] : []));
      if (isLarge) zxid += 2;
      await settled();
    }
    await fixture.log.close();
    const zxids = await zxidsIn(fixture, 1);
    expect(zxids).toEqual(range(1, zxids.length));
    expect(zxids.length).toBeGreaterThanOrEqual(30);
    expect(buffers.size).toBeLessThanOrEqual(3);
  });

  it('hold as many transactions as come', async () => {
    const fixture = await LogFixture.open({ preAllocBytes: 1024 * KIB });
    for (const upTo of [20_000, 40_000]) {
      fixture.append(0, ...range(upTo - 19_999, upTo));
      await settled();
    }
    await settled();
    expect(fixture.entries.length).toBe(40_000);
    expect(await zxidsIn(fixture, 1)).toEqual(range(1, 40_000));
  });

  it('drop a record that was begun and not ended', async () => {
    const fixture = await LogFixture.open();
    fixture.log.begin().raw(new Uint8Array(100).fill(0xee));
    fixture.add(0, 1);
    fixture.log.begin().raw(new Uint8Array(100).fill(0xee));
    expect(fixture.log.waitingBytes).toBe(RECORD_BYTES);
    fixture.log.flush();
    await settled();
    fixture.append(0, 2);
    await settled();
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2]);
  });
});

describe('a roll', () => {
  it('ends the file behind what was on its way, and begins the next', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    fixture.disk.holds = /^commit tmp.log.1 /;
    fixture.append(0, 2);
    fixture.log.roll();
    fixture.append(0, 3, 4);
    fixture.disk.takeAsked();
    await fixture.disk.release();
    await settled();
    expect(fixture.disk.asked.slice(0, 2)).toEqual(['close tmp.log.1', 'open tmp.log.3 create']);
    expect(fixture.durable).toEqual([[1], [2], [3, 4]]);
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2]);
    expect(await zxidsIn(fixture, 3)).toEqual([3, 4]);
  });

  it('gathers in one batch what comes while the file is made', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    fixture.log.roll();
    fixture.disk.holds = /^rename/;
    fixture.append(0, 2);
    await settled();
    fixture.append(0, 3);
    fixture.append(0, 4);
    await fixture.disk.release();
    await settled();
    expect(fixture.durable).toEqual([[1], [2], [3, 4]]);
    expect(await zxidsIn(fixture, 2)).toEqual([2, 3, 4]);
  });

  it('twice is once, and without a transaction it is nothing', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    fixture.log.roll();
    fixture.log.roll();
    fixture.disk.takeAsked();
    await settled();
    expect(fixture.disk.asked).toEqual([]);
    fixture.append(0, 2);
    await settled();
    const files = fixture.disk.memory.paths().filter((path) => path.includes('/log.'));
    expect(files).toEqual([`${DIRECTORY}/log.1`, `${DIRECTORY}/log.2`]);
  });
});

describe('padding', () => {
  it('comes before a record that would start in the last 4096 bytes', async () => {
    const fixture = await LogFixture.open();
    fixture.append(12_000, 1);
    await settled();
    fixture.disk.takeAsked();
    // The next record starts at 12,061: 4,339 bytes before the end.
    fixture.append(300, 2);
    await settled();
    expect(fixture.disk.asked.some((label) => label.startsWith('truncate'))).toBe(false);
    fixture.append(0, 3);
    await settled();
    expect(fixture.disk.asked).toContain('truncate tmp.log.1 32784');
    expect(fixture.file(1).length).toBe(16 + 32 * KIB);
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2, 3]);
  });

  it('makes room for the last record of a batch, however long', async () => {
    const fixture = await LogFixture.open();
    fixture.append(30 * KIB, 1, 2, 3);
    await settled();
    // The last record starts at 61,546: the file is padded for that, and the record goes beyond.
    expect(fixture.disk.asked).toContain('truncate tmp.log.1 81920');
    expect(fixture.file(1).length).toBe(16 + 3 * (30 * KIB + RECORD_BYTES));
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2, 3]);
    fixture.append(0, 4);
    await settled();
    expect(fixture.file(1).length).toBe(96 * KIB);
    expect(await zxidsIn(fixture, 1)).toEqual([1, 2, 3, 4]);
  });
});

describe('without forced syncs', () => {
  it('records are written and not synced, and the mark does not claim them', async () => {
    const fixture = await LogFixture.open({ forceSync: false });
    fixture.append(0, 1);
    await settled();
    fixture.append(0, 2);
    await settled();
    fixture.clock.advance(1_000);
    await settled();
    expect(fixture.durable).toEqual([[1], [2]]);
    expect(fixture.disk.asked.some((label) => label.startsWith('commit'))).toBe(false);
    expect(fixture.markOnDisk()).toEqual({ log: 1, offset: 16 });
  });

  it('a file is synced when the next one is begun, and at the end', async () => {
    const fixture = await LogFixture.open({ forceSync: false });
    fixture.append(0, 1);
    await settled();
    fixture.log.roll();
    fixture.disk.takeAsked();
    fixture.append(0, 2);
    await settled();
    expect(fixture.disk.asked.slice(0, 2)).toEqual(['sync tmp.log.1', 'close tmp.log.1']);
    fixture.disk.takeAsked();
    await fixture.log.close();
    expect(fixture.disk.asked.slice(0, 2)).toEqual(['sync tmp.log.2', 'close tmp.log.2']);
  });
});

describe('close', () => {
  it('waits until everything that was added is durable', async () => {
    const fixture = await LogFixture.holding();
    fixture.append(0, 2);
    fixture.add(0, 3);
    let isClosed = false;
    const closing = fixture.log.close().then(() => (isClosed = true));
    await fixture.disk.release();
    await settled();
    expect(isClosed).toBe(false);
    await fixture.disk.release();
    await closing;
    expect(fixture.durable).toEqual([[1], [2], [3]]);
    expect(fixture.disk.asked.slice(-5)).toEqual([
      `commit tmp.log.1 ${16 + 2 * RECORD_BYTES}+${RECORD_BYTES}`,
      'close tmp.log.1',
      'write durable-mark 0+28',
      'sync durable-mark',
      'close durable-mark',
    ]);
    expect(fixture.markOnDisk()).toEqual({ log: 1, offset: 16 + 3 * RECORD_BYTES });
  });

  it('waits for a file that is being made', async () => {
    const fixture = await LogFixture.open();
    fixture.disk.holds = /^rename/;
    fixture.append(0, 1);
    const closing = fixture.log.close();
    await settled();
    await fixture.disk.release();
    await closing;
    expect(fixture.durable).toEqual([[1]]);
  });

  it('waits for zeros on their way', async () => {
    const fixture = await LogFixture.open();
    fixture.disk.holds = /^write tmp.log.1 61\+/;
    fixture.append(0, 1);
    await settled();
    expect(fixture.disk.waiting).toEqual([`write tmp.log.1 61+${16 + 16 * KIB - 61}`]);
    let isClosed = false;
    const closing = fixture.log.close().then(() => (isClosed = true));
    await settled();
    expect(isClosed).toBe(false);
    await fixture.disk.release();
    await closing;
    expect(fixture.disk.asked).toContain('close tmp.log.1');
  });

  it('of a log that was never used leaves the mark of the last one', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    await fixture.log.close();
    const directory = new DataDirectory(fixture.disk, fixture.clock, { dataDir: DATA_DIR });
    const log = await directory.openLog({ preAllocBytes: 0, forceSync: true }, fixture);
    await log.close();
    expect(fixture.markOnDisk()).toEqual({ log: 1, offset: 16 + RECORD_BYTES });
  });
});
