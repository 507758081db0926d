import { describe, expect, it } from '@jest/globals';
import { DiskError } from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import type { StorageError } from '@aviary/storage';
import { DataDirectory, isRepairable } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { entryOf, logFileOf, markOf } from './log-files.js';
import { ManualClock } from './manual-clock.js';
import { RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf } from './snapshot-files.js';

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function logOf(zxids: readonly number[]): Uint8Array {
  return logFileOf(zxids.map((zxid) => entryOf(zxid)));
}

/** A member whose only snapshot has rotted. */
async function damagedMember(): Promise<RecoveryFixture> {
  const rotten = (await snapshotFileOf(3)).slice();
  rotten[30]! ^= 1;
  return new RecoveryFixture()
    .put('acceptedEpoch', Buffer.from('6'))
    .put('currentEpoch', Buffer.from('5'))
    .put('snapshot.3', rotten)
    .put('log.4', logOf(range(4, 8)))
    .put('durable-mark', markOf(4, 60))
    .put('tmp.log.9', new Uint8Array(5))
    .put('session-identity.json', Buffer.from('{}'));
}

describe('whether others can repair it is', () => {
  async function failure(prepare: (fixture: RecoveryFixture) => void): Promise<StorageError> {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('log.1', logOf(range(1, 8)));
    prepare(fixture);
    return fixture.errorOf(() => fixture.recover());
  }

  it.each<[string, (fixture: RecoveryFixture) => void]>([
    ['damage', (fixture) => (fixture.bytesOf('log.1')[logOf([1, 2, 3]).length + 20]! ^= 1)],
    ['a log that is no log', (fixture) => fixture.bytesOf('log.1').fill(7)],
    ['a transaction that is missing', (fixture) => fixture.put('log.1', logOf([1, 2, 4]))],
    ['the loss of a log', (fixture) => fixture.put('durable-mark', markOf(9, 90))],
    ['the loss of all snapshots', (fixture) => fixture.put('snapshot.2', new Uint8Array(0))],
    ['a damaged note', (fixture) => fixture.put('history-origin', new Uint8Array(3))],
  ])('said of %s', async (_what, prepare) => {
    const error = await failure((fixture) => {
      prepare(fixture);
      if (_what.includes('snapshots')) fixture.put('log.1', logOf([2, 3]));
    });
    expect(isRepairable(error)).toBe(true);
    expect(error.problem).toBe('damage');
  });

  it('said of sectors that cannot be read, and of no other error of the disk', () => {
    expect(isRepairable(new DiskError('EIO', '/data', 'read'))).toBe(true);
    expect(isRepairable(new DiskError('ENOSPC', '/data', 'write'))).toBe(false);
    expect(isRepairable(new Error('EIO'))).toBe(false);
  });

  it('denied of what a server of another kind wrote', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf([1]));
    const ledger = new Ledger();
    ledger.apply = () => {
      throw new JuteError('no such type');
    };
    expect(isRepairable(await fixture.errorOf(() => fixture.recover(ledger)))).toBe(false);
  });

  it('denied of files in the wrong place', async () => {
    const fixture = new RecoveryFixture('/logs').put('log.1', logOf([1]));
    expect(isRepairable(await fixture.errorOf(() => fixture.recover()))).toBe(false);
  });
});

describe('what is put aside', () => {
  it('is everything of the history and stays, but what was promised is still known', async () => {
    const fixture = await damagedMember();
    const before = new Map(fixture.names().map((name) => [name, fixture.bytesOf(name).slice()]));
    await fixture.refusal();
    expect(await fixture.directory.setAside()).toEqual(['/data/version-2/damaged-1']);
    expect(fixture.disk.paths()).toEqual(
      [
        'acceptedEpoch',
        'damaged-1/currentEpoch',
        'damaged-1/durable-mark',
        'damaged-1/log.4',
        'damaged-1/snapshot.3',
        'damaged-1/tmp.log.9',
        'rejoining',
        'session-identity.json',
      ].map((name) => `/data/version-2/${name}`),
    );
    for (const name of ['currentEpoch', 'durable-mark', 'log.4', 'snapshot.3']) {
      expect(fixture.bytesOf(`damaged-1/${name}`)).toEqual(before.get(name));
    }
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0, snapshotZxid: null });
    const { accepted, current } = await fixture.directory.openEpochs(0, fixture.log);
    expect({ accepted, current }).toEqual({ accepted: 6, current: 0 });
  });

  it('has a number of its own each time', async () => {
    const fixture = await damagedMember();
    await fixture.directory.setAside();
    await fixture.recover();
    fixture.put('log.4', logOf([4]));
    fixture.put('damaged-7/notes.txt', new Uint8Array(1));
    fixture.put('damaged-nine/log.1', new Uint8Array(1));
    expect(await fixture.directory.setAside()).toEqual(['/data/version-2/damaged-8']);
    expect(fixture.disk.paths()).toContain('/data/version-2/damaged-1/log.4');
    expect(fixture.disk.paths()).toContain('/data/version-2/damaged-8/log.4');
  });

  it('has one number in both directories', async () => {
    const fixture = new RecoveryFixture('/logs').put('snapshot.2', new Uint8Array(9));
    fixture.put('damaged-2/snapshot.1', new Uint8Array(9));
    fixture.disk.put('/logs/version-2/log.3', logOf([3]));
    expect(await fixture.directory.setAside()).toEqual([
      '/data/version-2/damaged-3',
      '/logs/version-2/damaged-3',
    ]);
    expect(fixture.disk.paths()).toEqual([
      '/data/version-2/damaged-2/snapshot.1',
      '/data/version-2/damaged-3/snapshot.2',
      '/data/version-2/rejoining',
      '/logs/version-2/damaged-3/log.3',
    ]);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0 });
  });

  it('is nothing where nothing is', async () => {
    const fixture = new RecoveryFixture();
    expect(await fixture.directory.setAside()).toEqual([]);
    expect(fixture.names()).toEqual(['rejoining']);
  });

  it('is also what damaged notes would have asked for', async () => {
    const fixture = (await damagedMember())
      .put('history-origin', new Uint8Array(8))
      .put('pending-change', new Uint8Array(8));
    await fixture.refusal();
    await fixture.directory.setAside();
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0 });
  });

  it('is never purged', async () => {
    const fixture = await damagedMember();
    await fixture.directory.setAside();
    for (const zxid of range(1, 5)) {
      fixture.put(`snapshot.${zxid}`, await snapshotFileOf(zxid));
    }
    await fixture.directory.purge(3);
    expect(fixture.disk.paths()).toContain('/data/version-2/damaged-1/snapshot.3');
    expect(await fixture.recover()).toMatchObject({ lastZxid: 5 });
  });
});

describe('a member that rejoins', () => {
  it('is known as such over restarts, until it has what it lost', async () => {
    const fixture = await damagedMember();
    expect(await fixture.directory.isRejoining()).toBe(false);
    await fixture.directory.setAside();
    const restarted = () =>
      new DataDirectory(fixture.disk, new ManualClock(), { dataDir: '/data' });
    expect(await restarted().isRejoining()).toBe(true);
    await fixture.recover();
    const ledger = new Ledger();
    for (const zxid of range(1, 9)) ledger.entries.push(entryOf(zxid));
    await fixture.directory.installSnapshot(ledger.snapshot());
    expect(await restarted().isRejoining()).toBe(true);
    await fixture.directory.endRejoin();
    expect(await restarted().isRejoining()).toBe(false);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 9 });
    await fixture.directory.endRejoin();
  });

  it('may also be one whose disk came back empty', async () => {
    const fixture = new RecoveryFixture();
    await fixture.recover();
    await fixture.directory.beginRejoin();
    expect(await fixture.directory.isRejoining()).toBe(true);
  });
});
