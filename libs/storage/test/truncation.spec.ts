import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  DataDirectory,
  TruncationError,
  type Recovered,
  type RecoveryTarget,
} from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { Ledger } from './ledger.js';
import { entryOf, logFileOf, markOf } from './log-files.js';
import { ManualClock, settled } from './manual-clock.js';
import { DIRECTORY, RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf, snapshotOf } from './snapshot-files.js';
import { TreeTarget } from './tree-body.js';

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function logOf(zxids: readonly number[], fileBytes = 0): Uint8Array {
  return logFileOf(
    zxids.map((zxid) => entryOf(zxid)),
    fileBytes,
  );
}

function truncate(
  fixture: RecoveryFixture,
  zxid: number,
  target: RecoveryTarget = (fixture.ledger = new FuzzyLedger()),
): Promise<Recovered> {
  return fixture.directory.truncate(zxid, target, fixture.log);
}

/** As a tree does, it takes it well when a snapshot that was begun earlier has a transaction already. */
class FuzzyLedger extends Ledger {
  override apply(bytes: Uint8Array, start: number, end: number): void {
    super.apply(bytes, start, end);
    const last = this.entries.pop()!;
    if (last.zxid > this.lastZxid) this.entries.push(last);
  }
}

/** Truncates, and expects the state at the target from it and from every recovery afterwards. */
async function expectCut(
  fixture: RecoveryFixture,
  zxid: number,
  kept: readonly number[],
): Promise<void> {
  const lastZxid = kept.at(-1) ?? 0;
  expect(await truncate(fixture, zxid)).toMatchObject({ lastZxid, tornTail: null });
  expect(fixture.zxids).toEqual(kept);
  expect(await fixture.recover((fixture.ledger = new FuzzyLedger()))).toMatchObject({ lastZxid });
  expect(fixture.zxids).toEqual(kept);
}

describe('a log', () => {
  it('is cut behind the target, without padding, and later ones go', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 3), 16_400))
      .put('log.4', logOf(range(4, 8), 16_400))
      .put('log.9', logOf(range(9, 12), 16_400));
    await expectCut(fixture, 5, range(1, 5));
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'log.4', 'snapshot.0']);
    expect(fixture.bytesOf('log.4')).toEqual(logOf([4, 5]));
    expect(fixture.bytesOf('log.1')).toEqual(logOf(range(1, 3), 16_400));
    expect(fixture.bytesOf('durable-mark')).toEqual(markOf(4, logOf([4, 5]).length));
  });

  it('goes when it starts behind the target', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 3)))
      .put('log.4', logOf(range(4, 8)));
    await expectCut(fixture, 3, range(1, 3));
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.0']);
  });

  it('goes when all there is left is a snapshot', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.3', await snapshotFileOf(3))
      .put('log.4', logOf(range(4, 8)));
    await expectCut(fixture, 3, range(1, 3));
    expect(fixture.names()).toEqual(['durable-mark', 'snapshot.3']);
    expect(fixture.bytesOf('durable-mark')).toEqual(new Uint8Array(0));
  });

  it('that was only begun goes', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 3)))
      .put('log.4', logOf([]));
    await expectCut(fixture, 2, [1, 2]);
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.0']);
  });

  it('that ends with the target stays', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 3), 16_400));
    await expectCut(fixture, 3, range(1, 3));
  });

  it('is cut wherever a transaction behind the target is repeated', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 4)))
      .put('log.3', logOf(range(3, 6)));
    await expectCut(fixture, 3, range(1, 3));
    expect(fixture.bytesOf('log.1')).toEqual(logOf(range(1, 3)));
    expect(fixture.bytesOf('log.3')).toEqual(logOf([3]));
  });

  it('that broke off where the next went on ends neatly afterwards', async () => {
    const whole = logOf(range(1, 4));
    const broken = whole.slice();
    broken[whole.length - 6]! ^= 1;
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', broken)
      .put('log.4', logOf(range(4, 8)));
    await expectCut(fixture, 3, range(1, 3));
    expect(fixture.bytesOf('log.1')).toEqual(logOf(range(1, 3)));
  });

  it('that nothing needs may be unreadable, and stays', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.5', await snapshotFileOf(5))
      .put('log.1', new Uint8Array(50).fill(7))
      .put('log.4', logOf(range(4, 9)));
    await expectCut(fixture, 7, range(1, 7));
    expect(fixture.names()).toContain('log.1');
  });

  it('in a directory of its own is cut there', async () => {
    const fixture = new RecoveryFixture('/logs').put('snapshot.2', await snapshotFileOf(2));
    fixture.put('snapshot.6', await snapshotFileOf(6));
    fixture.disk.put('/logs/version-2/log.1', logOf(range(1, 4)));
    fixture.disk.put('/logs/version-2/log.5', logOf(range(5, 8)));
    await expectCut(fixture, 3, range(1, 3));
    expect(fixture.disk.paths()).toEqual([
      '/data/version-2/snapshot.2',
      '/logs/version-2/durable-mark',
      '/logs/version-2/log.1',
    ]);
  });
});

describe('a snapshot', () => {
  it('goes when its name is behind the target', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.6', await snapshotFileOf(6))
      .put('snapshot.8', await snapshotFileOf(8))
      .put('log.1', logOf(range(1, 9)));
    await expectCut(fixture, 5, range(1, 5));
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.2']);
  });

  it('goes when it was still being written when something behind the target was applied', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      // Begun at 4, and 6 was in it when it ended.
      .put('snapshot.4', await snapshotFileOf(6))
      .put('log.1', logOf(range(1, 9)));
    await expectCut(fixture, 5, range(1, 5));
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.2']);
    expect(fixture.warnings).toEqual([
      expect.stringMatching(/snapshot\.4 goes beyond 0x5; an older one is used\.$/),
    ]);
  });

  it('goes when it cannot be read, since nobody knows what it holds', async () => {
    const damaged = (await snapshotFileOf(4)).slice();
    damaged[30]! ^= 1;
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.4', damaged)
      .put('log.1', logOf(range(1, 9)));
    await expectCut(fixture, 5, range(1, 5));
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.2']);
  });

  it('of the target is used, and older ones stay', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.5', await snapshotFileOf(5))
      .put('log.1', logOf(range(1, 9)));
    expect(await truncate(fixture, 5)).toMatchObject({ snapshotZxid: 5, transactionsReplayed: 0 });
    expect(fixture.names()).toEqual(['durable-mark', 'log.1', 'snapshot.2', 'snapshot.5']);
    expect(fixture.bytesOf('log.1')).toEqual(logOf(range(1, 5)));
  });

  it('that says nothing of itself counts by its name', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.4', await snapshotFileOf(4, null))
      .put('log.1', logOf(range(1, 9)));
    await expectCut(fixture, 5, range(1, 5));
    expect(fixture.names()).toContain('snapshot.4');
  });

  it('is not needed where the log goes back to the first transaction', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf(range(1, 9)));
    await expectCut(fixture, 5, range(1, 5));
  });
});

describe('the target', () => {
  async function epochs(): Promise<RecoveryFixture> {
    // Epoch 2 ended with its seventh transaction; of epoch 3 two were logged.
    const zxids = [...range(0x2_0000_0001, 0x2_0000_0007), 0x3_0000_0001, 0x3_0000_0002];
    return new RecoveryFixture()
      .put('snapshot.200000001', await snapshotOf([0x2_0000_0001]))
      .put('log.200000001', logOf(zxids));
  }

  it('may be the start of an epoch, just before its first transaction', async () => {
    const fixture = await epochs();
    await expectCut(fixture, 0x3_0000_0000, range(0x2_0000_0001, 0x2_0000_0007));
  });

  it('may be that in front of a log of its own', async () => {
    const fixture = await epochs();
    fixture.put('log.200000001', logOf(range(0x2_0000_0001, 0x2_0000_0007)));
    fixture.put('log.300000001', logOf([0x3_0000_0001]));
    await expectCut(fixture, 0x3_0000_0000, range(0x2_0000_0001, 0x2_0000_0007));
    expect(fixture.names()).not.toContain('log.300000001');
  });

  it('may be the start of an epoch in the name of a snapshot', async () => {
    const zxids = range(0x2_0000_0001, 0x2_0000_0003);
    const fixture = (await epochs()).put('snapshot.300000000', await snapshotOf(zxids));
    fixture.put('log.200000001', logOf([...zxids, 0x3_0000_0001]));
    expect(await truncate(fixture, 0x3_0000_0000)).toMatchObject({ lastZxid: 0x3_0000_0000 });
    expect(fixture.zxids).toEqual(zxids);
  });

  it.each([
    ['a transaction of another epoch', 0x2_0000_0009, '0x200000007'],
    ['the start of an epoch of which nothing was logged', 0x4_0000_0000, '0x300000002'],
    ['the start of the epoch before', 0x2_0000_0000, ''],
    ['behind the end', 0x3_0000_0003, '0x300000002'],
    ['before everything', 0x1_0000_0001, ''],
  ])('cannot be %s: then nothing is changed', async (_what, zxid, last) => {
    const fixture = await epochs();
    const error = await fixture.errorOf(() => truncate(fixture, zxid));
    expect(error).toBeInstanceOf(TruncationError);
    expect(error.message).toMatch(
      new RegExp(`^${DIRECTORY}: the history cannot be cut back to transaction 0x`),
    );
    expect(error.message).toMatch(/; this server needs a snapshot of the leader$/);
    if (last !== '') expect(error.message).toContain(`before it on this disk is ${last};`);
  });

  it('cannot be one that no snapshot and no log reach', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.8', await snapshotFileOf(8))
      .put('log.4', logOf(range(4, 9)));
    const error = await fixture.errorOf(() => truncate(fixture, 6));
    expect(error).toBeInstanceOf(TruncationError);
    expect(error.message).toMatch(/no snapshot can be read, and the log starts at transaction 0x4/);
  });

  it('cannot be one before which a transaction is missing or damaged', async () => {
    const damaged = logOf(range(1, 9));
    damaged[logOf(range(1, 3)).length + 20]! ^= 1;
    for (const log of [damaged, logOf([1, 2, 3, 5, 6, 7])]) {
      const fixture = new RecoveryFixture()
        .put('snapshot.2', await snapshotFileOf(2))
        .put('log.1', log);
      const error = await fixture.errorOf(() => truncate(fixture, 6));
      expect(error).toBeInstanceOf(TruncationError);
    }
  });

  it('may stand before damage', async () => {
    const damaged = logOf(range(1, 9));
    damaged[logOf(range(1, 6)).length + 20]! ^= 1;
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', damaged);
    await expectCut(fixture, 6, range(1, 6));
  });
});

describe('the mark', () => {
  it.each([
    ['of a log that goes', 9],
    ['of the log that is cut', 4],
    ['of an older log', 1],
  ])('%s does not take the cut for a loss', async (_what, log) => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 3)))
      .put('log.4', logOf(range(4, 8)))
      .put('log.9', logOf(range(9, 12)))
      .put('durable-mark', markOf(log, logOf(range(1, 3)).length));
    await expectCut(fixture, 5, range(1, 5));
  });

  it('tells afterwards when what was kept is lost', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('log.1', logOf(range(1, 9)));
    await truncate(fixture, 5);
    fixture.put('log.1', logOf(range(1, 4)));
    expect(await fixture.refusal()).toMatch(
      /log\.1 at byte \d+: the log cannot be read on, but was/,
    );
  });
});

describe('after a cut', () => {
  it('the log goes on in the same process, with a history of its own', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.0', await snapshotFileOf(0))
      .put('snapshot.4', await snapshotFileOf(4))
      .put('log.1', logOf(range(1, 6)));
    const { directory } = fixture;
    await fixture.recover();
    const options = { preAllocBytes: 0, forceSync: true };
    const listener = { onDurable: () => undefined, onFailure: () => undefined };
    const first = await directory.openLog(options, listener);
    first.begin().raw(logOf([7]).slice(16 + 12, -1));
    first.end(7);
    first.flush();
    await settled();
    await first.close();
    await truncate(fixture, 3);
    const second = await directory.openLog(options, listener);
    // Nothing is logged: what was known of the log that is gone must not come back.
    await second.close();
    expect(await fixture.recover()).toMatchObject({ lastZxid: 3 });
    const third = await directory.openLog(options, listener);
    third.begin().raw(logOf([0x1_0000_0001]).slice(16 + 12, -1));
    third.end(0x1_0000_0001);
    third.flush();
    await settled();
    await third.close();
    await fixture.recover();
    expect(fixture.zxids).toEqual([1, 2, 3, 0x1_0000_0001]);
  });

  it('may follow no other while a log is open', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf(range(1, 6)));
    const listener = { onDurable: () => undefined, onFailure: () => undefined };
    await fixture.directory.openLog({ preAllocBytes: 0, forceSync: true }, listener);
    await expect(truncate(fixture, 3)).rejects.toThrow('the log before was closed');
    await expect(fixture.recover()).rejects.toThrow('the log before was closed');
  });
});

describe('any cut', () => {
  const LAST = 30;
  const zxids = (min: number) => fc.uniqueArray(fc.integer({ min, max: LAST }), { maxLength: 6 });
  const ascending = (all: readonly number[]) => [...all].sort((a, b) => a - b);

  it('gives the state at its target from whatever files, also when it is repeated', async () => {
    await fc.assert(
      fc.asyncProperty(
        zxids(2),
        zxids(1),
        fc.integer({ min: 1, max: LAST }),
        fc.integer({ min: 0, max: 4 }),
        async (starts, snapshots, zxid, fuzz) => {
          const fixture = new RecoveryFixture();
          const logs = ascending([1, ...starts]);
          for (const [index, start] of logs.entries()) {
            const end = (logs[index + 1] ?? LAST + 1) - 1;
            fixture.put(`log.${start.toString(16)}`, logOf(range(start, end), 4096));
          }
          for (const each of snapshots) {
            const content = Math.min(each + fuzz, LAST);
            fixture.put(`snapshot.${each.toString(16)}`, await snapshotFileOf(content));
          }
          await expectCut(fixture, zxid, range(1, zxid));
          await expectCut(fixture, zxid, range(1, zxid));
          if (zxid > 1) await expectCut(fixture, zxid - 1, range(1, zxid - 1));
        },
      ),
      { seed: 5, numRuns: 150 },
    );
  });
});

describe('what a real server did to its files when a leader told it to cut back to 0x100000004', () => {
  const TARGET = 0x1_0000_0004;

  async function cutBefore(): Promise<RecoveryFixture> {
    const fixture = new RecoveryFixture();
    for (const name of ['acceptedEpoch', 'currentEpoch', 'snapshot.0', 'log.100000001']) {
      fixture.put(name, goldenDiskFile(`trunc/before/${name}`));
    }
    const target = new TreeTarget();
    expect(await truncate(fixture, TARGET, target)).toMatchObject({
      lastZxid: TARGET,
      transactionsReplayed: 4,
    });
    expect(target.applied).toBe(4);
    return fixture;
  }

  it('we do, to the byte', async () => {
    const fixture = await cutBefore();
    expect(fixture.bytesOf('log.100000001')).toEqual(goldenDiskFile('trunc/after/log.100000001'));
    expect(fixture.names()).toEqual([
      'acceptedEpoch',
      'currentEpoch',
      'durable-mark',
      'log.100000001',
      'snapshot.0',
    ]);
  });

  it('we read', async () => {
    const fixture = new RecoveryFixture();
    for (const name of ['snapshot.0', 'snapshot.100000004', 'log.100000001']) {
      fixture.put(name, goldenDiskFile(`trunc/after/${name}`));
    }
    expect(await fixture.recover(new TreeTarget())).toMatchObject({ lastZxid: TARGET });
    fixture.disk.put('/other/version-2/snapshot.0', goldenDiskFile('trunc/after/snapshot.0'));
    fixture.disk.put('/other/version-2/log.100000001', fixture.bytesOf('log.100000001'));
    const other = new DataDirectory(fixture.disk, new ManualClock(), { dataDir: '/other' });
    const target = new TreeTarget();
    expect(await other.recover(target, fixture.log)).toMatchObject({ lastZxid: TARGET });
    expect(target.applied).toBe(4);
  });
});
