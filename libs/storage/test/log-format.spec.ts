import { describe, expect, it } from '@jest/globals';
import { writeInt32 } from '@aviary/foundation';
import { StorageError, scanLog, type LogEnd } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { dumpOf, goldenLogs } from './golden-logs.js';
import { LOG_HEADER, entryOf, logFileOf, recordsOf } from './log-files.js';
import { LogFixture } from './log-fixture.js';
import { settled } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

const KIB = 1024;

async function scan(bytes: Uint8Array): Promise<LogEnd & { zxids: number[] }> {
  const disk = new MemoryDisk();
  disk.put('/log', bytes);
  const zxids: number[] = [];
  const end = await scanLog(disk, '/log', (_bytes, _start, _end, zxid) => zxids.push(zxid));
  return { ...end, zxids };
}

describe('the header', () => {
  it.each(goldenLogs)('is that of %s', (log) => {
    expect(goldenDiskFile(log).subarray(0, LOG_HEADER.length)).toEqual(LOG_HEADER);
  });

  it('is looked at only so far as readers agree on it', async () => {
    const file = logFileOf([entryOf(1)]);
    file.fill(0xee, 4, 16);
    expect((await scan(file)).zxids).toEqual([1]);
  });

  it('is named when it is not that of a log', async () => {
    const file = logFileOf([entryOf(1)]);
    file[3] = 0x4e;
    await expect(scan(file)).rejects.toThrow('/log at byte 0: is no transaction log');
    await expect(scan(file)).rejects.toBeInstanceOf(StorageError);
  });

  it.each([0, 1, 15])('is missing in a file of %i bytes', async (fileBytes) => {
    const end = await scan(LOG_HEADER.subarray(0, fileBytes));
    expect(end).toMatchObject({ why: 'noHeader', offset: 0, lastZxid: null });
  });
});

/** ZooKeeper's FilePadding.calculateFileSizeWithPadding, written down once more. */
function filePadding(position: number, fileSize: number, preAllocSize: number): number {
  let size = fileSize;
  if (preAllocSize > 0 && position + 4096 >= size) {
    if (position > size) {
      size = position + preAllocSize;
      size -= size % preAllocSize;
    } else {
      size += preAllocSize;
    }
  }
  return size;
}

describe('the size of a file', () => {
  it.each(goldenLogs.filter((log) => !log.startsWith('trunc/after')))(
    'of %s is what FilePadding makes of its records',
    (log) => {
      let size = filePadding(16, 16, 16 * KIB);
      for (const { offset } of dumpOf(log).records) size = filePadding(offset, size, 16 * KIB);
      expect(size).toBe(goldenDiskFile(log).length);
    },
  );

  it.each([
    { blockKib: 16, bodies: [12_000, 300, 100, 5_000, 5_000, 20, 20] },
    { blockKib: 16, bodies: [40_000, 1, 1, 100_000, 1, 3_000, 3_000] },
    { blockKib: 1, bodies: [10, 5_000, 10, 4_100, 10, 900, 900, 900] },
    { blockKib: 64, bodies: Array.from({ length: 40 }, (_, i) => 211 * i) },
  ])('of ours, too, record by record: blocks of $blockKib KiB', async ({ blockKib, bodies }) => {
    const block = blockKib * KIB;
    const fixture = await LogFixture.open({ preAllocBytes: block });
    let end = 16;
    let size = filePadding(16, 16, block);
    for (const [index, bodyBytes] of bodies.entries()) {
      fixture.append(bodyBytes, index + 1);
      await settled();
      // With blocks of less than 4096 bytes the reference falls behind and we do not.
      do size = filePadding(end, size, block);
      while (size <= end + 4096);
      end += bodyBytes + 45;
      expect(fixture.file(1).length).toBe(Math.max(size, end));
    }
  });
});

describe('a record', () => {
  it('is found wrong whichever bit of it turns over', async () => {
    const whole = logFileOf([entryOf(0x2_0000_0007)], 200);
    const recordBytes = recordsOf([entryOf(0x2_0000_0007)]).length;
    for (let at = 16; at < 16 + recordBytes; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = whole.slice();
        bytes[at]! ^= 1 << bit;
        const { zxids, why } = await scan(bytes);
        expect([at, bit, zxids, why === 'padding']).toEqual([at, bit, [], false]);
      }
    }
  });

  it('is incomplete wherever the file is cut', async () => {
    const whole = logFileOf([entryOf(1), entryOf(2)]);
    const first = logFileOf([entryOf(1)]).length;
    for (let fileBytes = first; fileBytes < whole.length; fileBytes++) {
      const end = await scan(whole.subarray(0, fileBytes));
      expect(end).toMatchObject({ zxids: [1], why: 'incomplete', offset: first, fileBytes });
    }
  });

  it.each([
    { length: -1, why: 'badLength' },
    { length: -0x8000_0000, why: 'badLength' },
    { length: 1, why: 'badLength' },
    { length: 31, why: 'badLength' },
    { length: 0, why: 'badLength' },
    { length: 51, why: 'unterminated' },
    { length: 53, why: 'unterminated' },
    { length: 0x7fff_ffff, why: 'incomplete' },
  ])('with a length of $length: $why', async ({ length, why }) => {
    const bytes = logFileOf([entryOf(1)], 1000);
    writeInt32(bytes, 16 + 8, length);
    expect(await scan(bytes)).toMatchObject({ why, offset: 16 });
  });

  it('may be longer than the window through which files are read, and stand across its end', async () => {
    const entries = [1, 2, 3, 4, 5, 6].map((zxid) =>
      entryOf(zxid, zxid % 2 === 0 ? 700_001 : 3_000_000),
    );
    const { zxids, why } = await scan(logFileOf(entries, 15 << 20));
    expect([zxids, why]).toEqual([[1, 2, 3, 4, 5, 6], 'padding']);
  });

  it('of an epoch that this server cannot count is named with its place', async () => {
    const file = logFileOf([entryOf(1), { ...entryOf(2), zxid: 0x20_0000 * 0x1_0000_0000 + 5 }]);
    const place = logFileOf([entryOf(1)]).length;
    await expect(scan(file)).rejects.toThrow(`/log at byte ${place}: zxid of epoch 2097152`);
    await expect(scan(file)).rejects.toBeInstanceOf(StorageError);
  });
});
