import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LogBatch } from '@aviary/storage';
import { LogFixture } from './log-fixture.js';
import { LOG_HEADER } from './log-files.js';
import { writeEntry } from './ledger.js';
import { settled } from './manual-clock.js';

const KIB = 1024;

type Step =
  | { readonly kind: 'append'; readonly bodyBytes: number }
  | { readonly kind: 'release'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    bodyBytes: fc.oneof(
      fc.integer({ min: 0, max: 2 * KIB }),
      fc.integer({ min: 60 * KIB, max: 300 * KIB }),
    ),
  }),
  fc.record({ kind: fc.constant('release' as const), which: fc.nat(3) }),
);

/** The file as it must be: the records one behind the other, and zeros. */
function expectedFile(bodySizes: readonly number[], fileBytes: number): Buffer {
  const batch = new LogBatch(new Uint8Array(0));
  for (const [index, bodyBytes] of bodySizes.entries()) {
    batch.begin();
    writeEntry(batch.writer, { zxid: index + 1, tag: (index + 1) * 3 + 2, bodyBytes });
    batch.end(index + 1);
  }
  const file = Buffer.alloc(fileBytes);
  file.set(LOG_HEADER);
  file.set(batch.bytes, 16);
  return file;
}

async function play(steps: readonly Step[], preAllocBytes: number): Promise<void> {
  const fixture = await LogFixture.open({ preAllocBytes });
  const { disk } = fixture;
  disk.holds = /^(write|commit|truncate) tmp.log.1 (?!0)/;
  const bodySizes: number[] = [];
  const releaseOne = async (which: number): Promise<void> => {
    const { waiting } = disk;
    const label = waiting[which % waiting.length];
    if (label === undefined) return;
    await disk.release(new RegExp(`^${label.replace('+', '\\+')}$`));
  };
  for (const each of steps) {
    if (each.kind === 'append') {
      bodySizes.push(each.bodyBytes);
      fixture.append(each.bodyBytes, bodySizes.length);
    } else {
      await releaseOne(each.which);
    }
    await settled();
  }
  while (disk.waiting.length > 0) {
    await releaseOne(0);
    await settled();
  }
  if (bodySizes.length === 0) return;
  expect(fixture.entries.length).toBe(bodySizes.length);
  const file = Buffer.from(fixture.file(1));
  expect(file.equals(expectedFile(bodySizes, file.length))).toBe(true);
}

describe('zeros written ahead', () => {
  it.each([16 * KIB, 512 * KIB, 1024 * KIB])(
    'never land on records, whatever the disk does first (blocks of %i)',
    async (preAllocBytes) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) =>
          play(steps, preAllocBytes),
        ),
        { seed: 7, numRuns: 60 },
      );
    },
  );

  it('go on while records come, and end with the file', async () => {
    const fixture = await LogFixture.open({ preAllocBytes: 1024 * KIB });
    for (let zxid = 1; zxid <= 40; zxid++) {
      fixture.append(20 * KIB, zxid);
      await settled();
    }
    const zeros = fixture.disk.asked.filter((label) => /^write tmp.log.1 [1-9]/.test(label));
    expect(zeros.length).toBeGreaterThanOrEqual(4);
    const ends = zeros.map((label) => {
      const [position = 0, length = 0] = label.split(' ')[2]!.split('+').map(Number);
      return position + length;
    });
    expect(Math.max(...ends)).toBeLessThanOrEqual(16 + 1024 * KIB);
  });

  it('are not written to a file without padding, nor to one that is about to end', async () => {
    const bare = await LogFixture.open({ preAllocBytes: 0 });
    bare.append(0, 1);
    await settled();
    expect(bare.disk.asked.some((label) => label.startsWith('write tmp.log.1 61'))).toBe(false);
    const ending = await LogFixture.open();
    ending.disk.holds = /^commit/;
    ending.append(0, 1);
    await settled();
    ending.log.roll();
    await ending.disk.release();
    await settled();
    expect(ending.disk.asked.some((label) => label.startsWith('write tmp.log.1 61'))).toBe(false);
  });
});
