import { describe, expect, it } from '@jest/globals';
import { LogFixture } from './log-fixture.js';
import { settled } from './manual-clock.js';

/** A life with everything in it that touches the disk. */
async function work(fixture: LogFixture): Promise<void> {
  fixture.append(100, 1);
  await settled();
  fixture.append(14_000, 2, 3);
  fixture.append(100, 4);
  await settled();
  fixture.log.roll();
  fixture.append(100, 5);
  fixture.append(100, 6);
  await settled();
}

/** A label with everything escaped that means something in a pattern. */
function exactly(label: string): RegExp {
  return new RegExp(`^${label.replace(/[.+]/g, '\\$&')}$`);
}

async function labelsOfWork(forceSync: boolean): Promise<string[]> {
  const fixture = await LogFixture.open({ forceSync });
  await work(fixture);
  expect(fixture.durable.flat()).toEqual([1, 2, 3, 4, 5, 6]);
  return fixture.disk.asked;
}

describe.each([{ forceSync: true }, { forceSync: false }])(
  'an error, forceSync=$forceSync',
  ({ forceSync }) => {
    it('at any operation stops the log: one report, nothing acknowledged, nothing written', async () => {
      const labels = await labelsOfWork(forceSync);
      expect(new Set(labels.map((label) => label.split(' ')[0]))).toEqual(
        new Set([
          'open',
          'write',
          'truncate',
          'sync',
          'rename',
          'syncDirectory',
          'close',
          ...(forceSync ? ['commit'] : []),
        ]),
      );
      for (const label of new Set(labels)) {
        const fixture = await LogFixture.open({ forceSync });
        fixture.disk.failNext(exactly(label), 'ENOSPC');
        await work(fixture);
        expect([label, fixture.failures.map(({ code }) => code)]).toEqual([label, ['ENOSPC']]);
        const { durable, disk } = fixture;
        const durableThen = durable.length;
        disk.takeAsked();
        fixture.append(10, 7);
        await settled();
        await fixture.log.close();
        expect(disk.asked).toEqual([]);
        expect(durable.length).toBe(durableThen);
        expect(fixture.failures.length).toBe(1);
      }
    });
  },
);

/** A log with two durable transactions, with a commit under way and zeros behind it. */
async function withZerosUnderWay(): Promise<LogFixture> {
  const fixture = await LogFixture.open({ preAllocBytes: 1 << 20 });
  fixture.disk.holds = /^(write tmp.log.1 [1-9]|commit)/;
  fixture.append(140_000, 1);
  await settled();
  await fixture.disk.release(/^commit/);
  await settled();
  await fixture.disk.release(/^write/);
  await settled();
  fixture.append(200_000, 2);
  fixture.append(0, 3);
  await fixture.disk.release(/^commit/);
  await settled();
  expect(fixture.disk.waiting).toEqual([
    'commit tmp.log.1 340106+45',
    'write tmp.log.1 402205+262144',
  ]);
  return fixture;
}

describe('a log that fails', () => {
  it('while zeros are written does not acknowledge the commit that succeeds after that', async () => {
    const fixture = await withZerosUnderWay();
    fixture.disk.fail(/^write/, 'EIO');
    await settled();
    await fixture.disk.release(/^commit/);
    await settled();
    expect(fixture.failures.map(({ code }) => code)).toEqual(['EIO']);
    expect(fixture.durable).toEqual([[1], [2]]);
  });

  it('twice at once reports the first', async () => {
    const fixture = await withZerosUnderWay();
    fixture.disk.fail(/^commit/, 'EIO');
    await settled();
    fixture.disk.fail(/^write/, 'ENOSPC');
    await settled();
    expect(fixture.failures.map(({ code }) => code)).toEqual(['EIO']);
  });

  it('while a batch waits for zeros does not write it', async () => {
    const fixture = await withZerosUnderWay();
    fixture.append(300_000, 4);
    await fixture.disk.release(/^commit/);
    await settled();
    fixture.disk.fail(/^write/, 'EIO');
    await settled();
    expect(fixture.durable).toEqual([[1], [2], [3]]);
    expect(fixture.disk.waiting).toEqual([]);
    expect(fixture.disk.asked.filter((label) => label.startsWith('commit')).length).toBe(3);
  });

  it('ends a close that waits', async () => {
    const fixture = await LogFixture.open();
    fixture.disk.holds = /^commit/;
    fixture.append(0, 1);
    await settled();
    const closing = fixture.log.close();
    fixture.disk.fail(/^commit/);
    await closing;
    expect(fixture.durable).toEqual([]);
    expect(fixture.failures.length).toBe(1);
  });

  it('leaves later transactions waiting, for nobody', async () => {
    const fixture = await LogFixture.open();
    fixture.disk.failNext(/^commit/);
    fixture.append(0, 1);
    fixture.append(0, 2);
    await settled();
    fixture.append(0, 3);
    await settled();
    expect(fixture.log.waiting).toBe(2);
    expect(fixture.disk.asked.filter((label) => label.startsWith('commit')).length).toBe(1);
  });
});

describe('the mark', () => {
  it('may fail to be written while the log goes on', async () => {
    const fixture = await LogFixture.open();
    fixture.append(0, 1);
    await settled();
    fixture.disk.failNext(/^write durable-mark/);
    fixture.clock.advance(1_000);
    await settled();
    fixture.append(0, 2);
    await settled();
    expect(fixture.failures).toEqual([]);
    expect(fixture.durable).toEqual([[1], [2]]);
    fixture.disk.failNext(/^sync durable-mark/);
    await fixture.log.close();
    expect(fixture.disk.asked.at(-1)).toBe('close durable-mark');
  });
});
