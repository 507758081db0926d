import { describe, expect, it } from '@jest/globals';
import { ZxidRangeError } from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { dumpOf } from './golden-logs.js';
import { Ledger } from './ledger.js';
import { LOG_HEADER, entryOf, logFileOf } from './log-files.js';
import { DIRECTORY, RecoveryFixture } from './recovery-fixture.js';
import { snapshotFileOf } from './snapshot-files.js';
import { TreeTarget } from './tree-body.js';

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function logOf(from: number, to: number): Uint8Array {
  return logFileOf(range(from, to).map((zxid) => entryOf(zxid)));
}

/** Bit rot in the midst: the file looks whole until its checksum is computed. */
function rotten(file: Uint8Array): Uint8Array {
  const bytes = file.slice();
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  return bytes;
}

function cutShort(file: Uint8Array): Uint8Array {
  return file.slice(0, file.length - 9);
}

describe('the newest snapshot', () => {
  it('is loaded, and what the log has behind it is applied once', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.5', await snapshotFileOf(5))
      .put('log.1', logOf(1, 3))
      .put('log.4', logOf(4, 8));
    const recovered = await fixture.recover();
    expect(recovered).toEqual({
      lastZxid: 8,
      snapshotZxid: 5,
      transactionsReplayed: 3,
      tornTail: null,
    });
    expect(fixture.ledger.calls).toEqual(['begin', 'end 5 5']);
    expect(fixture.zxids).toEqual(range(1, 8));
    expect(fixture.warnings).toEqual([]);
  });

  it('may be newer than every log', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.5', await snapshotFileOf(5))
      .put('log.1', logOf(1, 3));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 5, transactionsReplayed: 0 });
  });

  it('is found by the number in its name, not by the name', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.9', await snapshotFileOf(9))
      .put('snapshot.10', await snapshotFileOf(16));
    expect((await fixture.recover()).snapshotZxid).toBe(16);
  });

  it.each([
    ['rotten', rotten, /snapshot\.5 at byte \d+: .*; an older snapshot is used\.$/],
    ['cut short', cutShort, /snapshot\.5 is not whole; an older one is used\.$/],
    ['empty', () => new Uint8Array(0), /snapshot\.5 is not whole; an older one is used\.$/],
  ])('that is %s gives way to an older one, and stays', async (_what, damage, warning) => {
    const damaged = damage(await snapshotFileOf(5));
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.5', damaged)
      .put('log.1', logOf(1, 3))
      .put('log.4', logOf(4, 8));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 8, snapshotZxid: 2 });
    expect(fixture.zxids).toEqual(range(1, 8));
    expect(fixture.warnings).toEqual([expect.stringMatching(warning)]);
    expect(fixture.bytesOf('snapshot.5')).toEqual(damaged);
  });

  it('that is damaged is missed when the logs do not reach back to an older one', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', await snapshotFileOf(2))
      .put('snapshot.5', rotten(await snapshotFileOf(5)))
      .put('log.6', logOf(6, 8));
    expect(await fixture.refusal()).toMatch(
      /^\/data\/version-2\/log\.6 at byte 16: transaction 0x6 follows 0x2: what stood between/,
    );
  });

  it('may be compressed among others that are not', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.23', goldenDiskFile('standalone/snapshot.23'))
      .put('snapshot.25.gz', goldenDiskFile('standalone/snapshot.25.gz'));
    const target = new TreeTarget();
    await fixture.recover(target);
    expect(target.ended?.zxid).toBe(0x25);
  });
});

describe('without a snapshot', () => {
  it('an empty directory is a new ensemble', async () => {
    const fixture = new RecoveryFixture();
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0, snapshotZxid: null });
    expect(fixture.ledger.calls).toEqual(['fresh']);
    expect(fixture.warnings).toEqual([]);
  });

  it('a log from the first transaction on is enough', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.2', rotten(await snapshotFileOf(2)))
      .put('log.1', logOf(1, 3));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 3, snapshotZxid: null });
    expect(fixture.ledger.calls).toEqual(['begin', 'fresh']);
    expect(fixture.zxids).toEqual([1, 2, 3]);
    expect(fixture.warnings.at(-1)).toMatch(/There is no snapshot; the log is replayed/);
  });

  it('a log that starts later is refused', async () => {
    const fixture = new RecoveryFixture().put('log.4', logOf(4, 8));
    expect(await fixture.refusal()).toMatch(
      /^\/data\/version-2: no snapshot can be read, and the log starts at transaction 0x4: restore/,
    );
  });

  it('a log that starts later is refused in the name of the snapshot that is damaged', async () => {
    const fixture = new RecoveryFixture()
      .put('snapshot.3', cutShort(await snapshotFileOf(3)))
      .put('log.4', logOf(4, 8));
    expect(await fixture.refusal()).toMatch(/^\/data\/version-2\/snapshot\.3: no snapshot can be/);
  });

  it('a damaged snapshot alone is not taken for a new ensemble', async () => {
    const fixture = new RecoveryFixture().put('snapshot.3', rotten(await snapshotFileOf(3)));
    expect(await fixture.refusal()).toMatch(/snapshot\.3: no snapshot can be read and there is no/);
  });

  it('a log that was only begun holds nothing that could be missed', async () => {
    const fixture = new RecoveryFixture().put('log.7', LOG_HEADER);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0 });
  });
});

describe('the logs', () => {
  it('may be broken at their end where the next goes on', async () => {
    const fixture = new RecoveryFixture()
      .put('log.1', cutShort(logOf(1, 4)))
      .put('log.4', logOf(4, 6));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 6, tornTail: null });
    expect(fixture.zxids).toEqual(range(1, 6));
  });

  it('that lack a transaction are refused, and the sentence says where one breaks off', async () => {
    const broken = cutShort(logOf(1, 4));
    const end = logOf(1, 3).length;
    const fixture = new RecoveryFixture().put('log.1', broken).put('log.5', logOf(5, 6));
    const sentence = await fixture.refusal();
    expect(sentence).toMatch(
      /^\/data\/version-2\/log\.5 at byte 16: transaction 0x5 follows 0x3: /,
    );
    expect(sentence).toContain(`(/data/version-2/log.1 cannot be read on at byte ${end})`);
  });

  it('that lack a whole file are refused', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf(1, 3)).put('log.6', logOf(6, 7));
    expect(await fixture.refusal()).toMatch(/log\.6 at byte 16: transaction 0x6 follows 0x3: what/);
  });

  it('that lack a transaction in their midst are refused at the one behind', async () => {
    const entries = [1, 2, 4].map((zxid) => entryOf(zxid));
    const at = logOf(1, 2).length;
    const fixture = new RecoveryFixture().put('log.1', logFileOf(entries));
    expect(await fixture.refusal()).toMatch(`log.1 at byte ${at}: transaction 0x4 follows 0x2`);
  });

  it('may repeat what was there', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf(1, 4)).put('log.3', logOf(3, 6));
    await fixture.recover();
    expect(fixture.zxids).toEqual(range(1, 6));
  });

  it('go on with the first transaction of a later epoch, and with no other', async () => {
    const next = 0x1_0000_0001;
    const good = new RecoveryFixture()
      .put('log.1', logOf(1, 3))
      .put('log.100000001', logOf(next, next + 1));
    expect((await good.recover()).lastZxid).toBe(next + 1);
    const bad = new RecoveryFixture()
      .put('log.1', logOf(1, 3))
      .put('log.100000002', logOf(next + 1, next + 1));
    expect(await bad.refusal()).toMatch(/transaction 0x100000002 follows 0x3/);
  });

  it('with a file that is none of them are refused', async () => {
    const fixture = new RecoveryFixture().put('log.1', new Uint8Array(100).fill(7));
    expect(await fixture.refusal()).toMatch(/log\.1 at byte 0: is no transaction log/);
  });

  it.each([new JuteError('no such type'), new ZxidRangeError(0x20_0000)])(
    'with a transaction that cannot be applied are refused: %s',
    async (cause) => {
      const fixture = new RecoveryFixture().put('log.1', logOf(1, 3));
      const ledger = new Ledger();
      ledger.apply = () => {
        throw cause;
      };
      const sentence = await fixture.refusal(ledger);
      expect(sentence).toMatch(/log\.1 at byte 16: transaction 0x1 cannot be replayed/);
      expect(sentence).toContain(cause.message);
    },
  );

  it('do not hide a bug of who applies them', async () => {
    const fixture = new RecoveryFixture().put('log.1', logOf(1, 3));
    const ledger = new Ledger();
    const bug = new TypeError('undefined is not a function');
    ledger.apply = () => {
      throw bug;
    };
    await expect(fixture.recover(ledger)).rejects.toBe(bug);
  });
});

describe('the directories', () => {
  it('are cleared of what was being made, and of nothing else', async () => {
    const fixture = new RecoveryFixture()
      .put('tmp.snapshot.4', new Uint8Array(9))
      .put('tmp.log.2', new Uint8Array(9))
      .put('acceptedEpoch', new Uint8Array(1))
      .put('snapshot.x', new Uint8Array(1))
      .put('notes.txt', new Uint8Array(1))
      .put('log.1', logOf(1, 1));
    await fixture.recover();
    expect(fixture.names()).toEqual(['acceptedEpoch', 'log.1', 'notes.txt', 'snapshot.x']);
  });

  it('are refused when one keeps what belongs to the other', async () => {
    const logs = '/logs/version-2';
    const strayLog = new RecoveryFixture('/logs').put('log.1', logOf(1, 1));
    expect(await strayLog.refusal()).toMatch(
      /^\/data\/version-2\/log\.1: dataDir \(\/data\) keeps/,
    );
    const straySnapshot = new RecoveryFixture('/logs');
    straySnapshot.disk.put(`${logs}/snapshot.3`, await snapshotFileOf(3));
    expect(await straySnapshot.refusal()).toMatch(/^\/logs\/version-2\/snapshot\.3: dataDir/);
  });

  it('may be two', async () => {
    const fixture = new RecoveryFixture('/logs').put('snapshot.2', await snapshotFileOf(2));
    fixture.disk.put('/logs/version-2/log.1', logOf(1, 4));
    expect((await fixture.recover()).lastZxid).toBe(4);
    expect(await fixture.directory.sizes()).toEqual({
      snapshots: fixture.bytesOf('snapshot.2').length,
      logs: logOf(1, 4).length,
    });
  });
});

describe.each([
  { directory: 'standalone', files: ['snapshot.0', 'log.1', 'log.24'], from: 0 },
  { directory: 'standalone', files: ['snapshot.0', 'snapshot.23', 'log.1', 'log.24'], from: 0x23 },
  { directory: 'standalone', files: ['snapshot.25.snappy', 'log.24'], from: 0x25 },
  {
    directory: 'ensemble/server1',
    files: ['snapshot.0', 'snapshot.10000000f', 'log.200000001'],
    from: 0x1_0000_000f,
  },
  {
    directory: 'ensemble/server3',
    files: ['snapshot.200000003', 'log.100000001', 'log.200000004'],
    from: 0x2_0000_0003,
  },
])('what a real server left in $directory ($files)', ({ directory, files, from }) => {
  it('is recovered from its newest snapshot and its log', async () => {
    const fixture = new RecoveryFixture();
    for (const file of files) fixture.put(file, goldenDiskFile(`${directory}/${file}`));
    const target = new TreeTarget();
    const recovered = await fixture.recover(target);
    const logged = files
      .filter((file) => file.startsWith('log.'))
      .flatMap((file) => dumpOf(`${directory}/${file}`).records)
      .filter(({ zxid }) => zxid > from);
    expect(target.ended?.zxid).toBe(from);
    expect(target.applied).toBe(logged.length);
    expect(recovered.lastZxid).toBe(logged.at(-1)?.zxid ?? from);
    expect(fixture.disk.changes.filter((change) => change.startsWith('remove'))).toEqual([]);
    expect(fixture.disk.paths().every((path) => path.startsWith(DIRECTORY))).toBe(true);
  });
});
