import { describe, expect, it } from '@jest/globals';
import { DiskError } from '@aviary/foundation';
import { ADLER32_START, adler32, type SnapshotSource } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { Ledger } from './ledger.js';
import { entryOf, logFileOf, markOf } from './log-files.js';
import { settled } from './manual-clock.js';
import { RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf, snapshotOf } from './snapshot-files.js';
import { TreeTarget } from './tree-body.js';

/** The transactions of the leader are others than those that this server has. */
function leaderTag(zxid: number): number {
  return (zxid + 7_000) | 0;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function logOf(zxids: readonly number[]): Uint8Array {
  return logFileOf(zxids.map((zxid) => entryOf(zxid)));
}

/** The state of a leader that has these transactions. */
function leaderState(zxids: readonly number[]): SnapshotSource {
  const ledger = new Ledger();
  for (const zxid of zxids) ledger.entries.push(entryOf(zxid, 20, leaderTag(zxid)));
  return ledger.snapshot();
}

async function append(fixture: RecoveryFixture, zxids: readonly number[]): Promise<void> {
  const log = await fixture.directory.openLog(
    { preAllocBytes: 0, forceSync: true },
    { onDurable: () => undefined, onFailure: () => undefined },
  );
  for (const zxid of zxids) {
    log.begin().raw(logOf([zxid]).slice(16 + 12, -1));
    log.end(zxid);
  }
  log.flush();
  await settled();
  await log.close();
}

/** Installs, and expects nothing but the state of the leader from every recovery afterwards. */
async function expectInstalled(fixture: RecoveryFixture, zxids: readonly number[]): Promise<void> {
  const lastZxid = zxids.at(-1) ?? 0;
  await fixture.directory.installSnapshot(leaderState(zxids));
  const recovered = { lastZxid, snapshotZxid: lastZxid, transactionsReplayed: 0 };
  expect(await fixture.recover()).toMatchObject(recovered);
  expect(fixture.ledger.entries.map(({ tag }) => tag)).toEqual(zxids.map(leaderTag));
}

describe('a snapshot of a leader', () => {
  it('replaces a history that went on longer: what was behind it goes', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.8', await snapshotFileOf(8))
      .put('log.1', logOf(range(1, 3)))
      .put('log.4', logOf(range(4, 7)))
      .put('log.8', logOf(range(8, 9)))
      .put('durable-mark', markOf(8, 30));
    await expectInstalled(fixture, range(1, 5));
    expect(fixture.names()).toEqual([
      'durable-mark',
      'history-origin',
      'log.1',
      'log.4',
      'snapshot.2',
      'snapshot.5',
    ]);
    expect(fixture.bytesOf('log.4')).toEqual(logOf([4, 5]));
  });

  it('is all there is for a server that had nothing', async () => {
    const fixture = new RecoveryFixture();
    await expectInstalled(fixture, range(1, 5));
    expect(fixture.names()).toEqual(['durable-mark', 'history-origin', 'snapshot.5']);
  });

  it('leaves what is older than itself as it was', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', logOf(range(1, 4)));
    await expectInstalled(fixture, range(1, 9));
    expect(fixture.bytesOf('log.1')).toEqual(logOf(range(1, 4)));
    expect(fixture.bytesOf('snapshot.2')).toEqual(await snapshotFileOf(2));
  });

  it('takes the place of another of the same transaction, also of a compressed one', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.5', await snapshotFileOf(5))
      .put('snapshot.5.gz', goldenDiskFile('standalone/snapshot.25.gz'))
      .put('log.1', logOf(range(1, 9)));
    await expectInstalled(fixture, range(1, 5));
    expect(fixture.names()).not.toContain('snapshot.5.gz');
  });

  it('replaces a longer one that another leader had sent', async () => {
    const fixture = new RecoveryFixture();
    await expectInstalled(fixture, range(1, 9));
    await expectInstalled(fixture, range(1, 5));
    await expectInstalled(fixture, range(1, 7));
  });

  it('is kept with logs in a directory of their own', async () => {
    const fixture = new RecoveryFixture('/logs').put('snapshot.2', await snapshotFileOf(2));
    fixture.disk.put('/logs/version-2/log.1', logOf(range(1, 4)));
    fixture.disk.put('/logs/version-2/log.5', logOf(range(5, 8)));
    await expectInstalled(fixture, range(1, 5));
    expect(fixture.disk.paths()).toEqual([
      '/data/version-2/history-origin',
      '/data/version-2/snapshot.2',
      '/data/version-2/snapshot.5',
      '/logs/version-2/durable-mark',
      '/logs/version-2/log.1',
      '/logs/version-2/log.5',
    ]);
  });

  it('may be that of a tree that goes on changing, and then says nothing of its digest', async () => {
    const fixture = new RecoveryFixture();
    await fixture.directory.installSnapshot({ ...leaderState(range(1, 5)), digest: null });
    await fixture.recover();
    expect(fixture.ledger.calls).toEqual(['begin', 'end 5 null']);
  });

  it('may not come while a log is open', async () => {
    const fixture = new RecoveryFixture();
    const listener = { onDurable: () => undefined, onFailure: () => undefined };
    await fixture.directory.openLog({ preAllocBytes: 0, forceSync: true }, listener);
    await expect(fixture.directory.installSnapshot(leaderState([1]))).rejects.toThrow(
      'the log before was closed',
    );
  });
});

describe('behind a snapshot of a leader', () => {
  it.each([
    ['the next transaction', range(1, 5), [6, 7]],
    ['the first of the epoch of which it is the start', [1, 0x3_0000_0000], [0x3_0000_0001]],
    ['the first of the next epoch', [1, 0x2_0000_0004], [0x3_0000_0001, 0x3_0000_0002]],
    ['the first of a later epoch', [1, 0x2_0000_0000], [0x5_0000_0001]],
  ])('%s is logged and replayed', async (_what, state, next) => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', logOf(range(1, 9)));
    await expectInstalled(fixture, state);
    await append(fixture, next);
    expect(await fixture.recover()).toMatchObject({
      lastZxid: next.at(-1),
      transactionsReplayed: next.length,
    });
    expect(fixture.zxids).toEqual([...state, ...next]);
  });

  it('a hole is refused', async () => {
    const fixture = new RecoveryFixture();
    await expectInstalled(fixture, range(1, 5));
    fixture.put('log.7', logOf([7]));
    expect(await fixture.refusal()).toMatch(/log\.7 at byte 16: transaction 0x7 follows 0x5/);
  });

  it('history can be cut again, but not before the snapshot', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', logOf(range(1, 4)));
    await expectInstalled(fixture, range(1, 5));
    await append(fixture, [6, 7, 8]);
    const { directory, log } = fixture;
    expect(await directory.truncate(7, new Ledger(), log)).toMatchObject({ lastZxid: 7 });
    expect(await directory.truncate(5, new Ledger(), log)).toMatchObject({ lastZxid: 5 });
    const error = await fixture.errorOf(() => directory.truncate(3, new Ledger(), log));
    expect(error.message).toMatch(/cannot be cut back to transaction 0x3/);
  });
});

describe('what is older than a snapshot of a leader', () => {
  /** The snapshot starts an epoch: by its zxids the old log could go on behind it. */
  async function installed(): Promise<RecoveryFixture> {
    const fixture = new RecoveryFixture()
      .put('snapshot.100000001', await snapshotOf([0x1_0000_0001]))
      .put('log.100000001', logOf(range(0x1_0000_0001, 0x1_0000_0007)));
    await expectInstalled(fixture, [0x1_0000_0001, 0x1_0000_0002, 0x2_0000_0000]);
    await append(fixture, [0x2_0000_0001]);
    return fixture;
  }

  it('does not stand in for it when it is damaged', async () => {
    const fixture = await installed();
    fixture.bytesOf('snapshot.200000000')[30]! ^= 1;
    expect(await fixture.refusal()).toMatch(
      /snapshot\.200000000: no snapshot can be read, and the log starts at transaction 0x200000001/,
    );
  });

  it('does not stand in for it when it is gone, unless an operator says so', async () => {
    const fixture = await installed();
    await fixture.disk.remove('/data/version-2/snapshot.200000000');
    fixture.disk.changes.length = 0;
    expect(await fixture.refusal()).toMatch(
      /^\/data\/version-2\/history-origin: the history of this server begins with the snapshot 0x200000000 of a leader, but neither that nor a later one is here: restore it;/,
    );
    await fixture.disk.remove('/data/version-2/history-origin');
    await fixture.disk.remove('/data/version-2/log.200000001');
    fixture.put('durable-mark', new Uint8Array(0));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0x1_0000_0007 });
  });

  it('may be damaged or purged', async () => {
    const fixture = await installed();
    fixture.bytesOf('log.100000001').fill(7);
    fixture.bytesOf('snapshot.100000001').fill(7);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0x2_0000_0001 });
    for (const next of [0x2_0000_0002, 0x2_0000_0003, 0x2_0000_0004]) {
      await append(fixture, [next]);
      await fixture.recover();
      await fixture.directory.writeSnapshot(fixture.ledger.snapshot());
    }
    await fixture.directory.purge(3);
    expect(fixture.names()).not.toContain('snapshot.200000000');
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0x2_0000_0004 });
  });
});

describe('the notes beside the history', () => {
  it.each(['history-origin', 'pending-change'])('are refused when %s is damaged', async (name) => {
    const fixture = new RecoveryFixture();
    await expectInstalled(fixture, range(1, 5));
    for (const bytes of [
      Buffer.from('snapshot 0x9 of a leader 00000000\n'),
      Buffer.from('snapshot 0x9 of a leader'),
      new Uint8Array(0),
      new Uint8Array(40),
    ]) {
      fixture.put(name, bytes);
      fixture.disk.changes.length = 0;
      expect(await fixture.refusal()).toMatch(new RegExp(`${name}: is damaged; restore all files`));
    }
  });

  it.each([
    ['history-origin', 'snapshot zero of nobody', 'cannot read'],
    ['pending-change', 'dance until 0x5', 'cannot do'],
  ])('are refused when a later version wrote %s', async (name, text, what) => {
    const checksum = adler32(ADLER32_START, Buffer.from(text), 0, text.length);
    const line = `${text} ${checksum.toString(16)}\n`;
    const fixture = new RecoveryFixture().put(name, Buffer.from(line));
    expect(await fixture.refusal()).toMatch(`, which this version ${what}; start the version that`);
  });
});

describe('a change that a crash has cut short', () => {
  /** The note of a change that was begun; nothing of it was done. */
  async function begun(
    work: (fixture: RecoveryFixture) => Promise<unknown>,
  ): Promise<RecoveryFixture> {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', logOf(range(1, 9)));
    const { disk } = fixture;
    const { rename } = disk;
    disk.rename = async (from, to) => {
      await rename.call(disk, from, to);
      if (to.endsWith('pending-change')) throw new DiskError('EIO', to, 'rename');
    };
    await expect(work(fixture)).rejects.toThrow(DiskError);
    disk.rename = rename;
    disk.changes.length = 0;
    return fixture;
  }

  const truncation = (fixture: RecoveryFixture) =>
    fixture.directory.truncate(5, new Ledger(), fixture.log);
  const installation = (fixture: RecoveryFixture) =>
    fixture.directory.installSnapshot(leaderState(range(1, 5)));

  it.each([
    ['truncation', truncation],
    ['installation', installation],
  ])('is made again at the next start: %s', async (_what, work) => {
    const fixture = await begun(work);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 5 });
    expect(fixture.names()).not.toContain('pending-change');
    expect(fixture.warnings[0]).toBe(
      'What was being done to the history at the last stop is finished first.',
    );
  });

  it.each([
    ['truncation', truncation, 'log.a'],
    ['installation', installation, 'log.a'],
    ['truncation', truncation, 'snapshot.a'],
  ])('is not made over what another server did since: %s', async (_what, work, name) => {
    const fixture = await begun(work);
    fixture.put(name, logOf([10]));
    expect(await fixture.refusal()).toMatch(
      /pending-change: a change was under way \(\w+ to 0x5\), but another server has gone on to 0xa since/,
    );
    await fixture.disk.remove('/data/version-2/pending-change');
    expect((await fixture.recover()).lastZxid).toBeGreaterThan(8);
  });
});

it('a real follower that was sent a snapshot goes on from it', async () => {
  // It had snapshot.0 alone when it was sent the state at 0x10000000f.
  const fixture = new RecoveryFixture();
  for (const name of ['snapshot.0', 'snapshot.10000000f', 'log.200000001']) {
    fixture.put(name, goldenDiskFile(`ensemble/server1/${name}`));
  }
  const target = new TreeTarget();
  expect(await fixture.recover(target)).toMatchObject({ snapshotZxid: 0x1_0000_000f });
  expect(target.applied).toBe(5);
});
