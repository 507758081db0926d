import { describe, expect, it } from '@jest/globals';
import { AssertionError, DiskError } from '@aviary/foundation';
import type { EpochFiles } from '@aviary/storage';
import { DataDirectory, StorageError, isRepairable, readServerId } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { ManualClock, settled } from './manual-clock.js';
import { ScriptedDisk } from './scripted-disk.js';

const DIRECTORY = '/data/version-2';
/** The last transaction of the tests is of epoch 5. */
const LAST = 0x5_0000_0007;

type Texts = Readonly<Record<string, string>>;

class EpochFixture {
  readonly disk = new ScriptedDisk();
  readonly messages: string[] = [];

  constructor(files: Texts) {
    for (const [name, text] of Object.entries(files)) {
      this.disk.memory.put(`${DIRECTORY}/${name}`, Buffer.from(text));
    }
  }

  open(lastZxid = LAST): Promise<EpochFiles> {
    const directory = new DataDirectory(this.disk, new ManualClock(), { dataDir: '/data' });
    const info = (message: string) => void this.messages.push(message);
    return directory.openEpochs(lastZxid, { info, warn: info, error: info });
  }

  get files(): Texts {
    const { memory } = this.disk;
    return Object.fromEntries(
      memory
        .paths()
        .map((path) => [
          path.slice(DIRECTORY.length + 1),
          Buffer.from(memory.bytesOf(path)).toString(),
        ]),
    );
  }
}

async function refusal(files: Texts, lastZxid = LAST): Promise<StorageError> {
  const fixture = new EpochFixture(files);
  const error: unknown = await fixture.open(lastZxid).catch((reason: unknown) => reason);
  expect(fixture.files).toEqual(files);
  if (!(error instanceof StorageError)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

describe('epoch files', () => {
  it('are read as they are', async () => {
    const files = { acceptedEpoch: '7', currentEpoch: '6' };
    const fixture = new EpochFixture(files);
    const { accepted, current } = await fixture.open();
    expect({ accepted, current }).toEqual({ accepted: 7, current: 6 });
    expect(fixture.files).toEqual(files);
    expect(fixture.disk.asked.filter((label) => !/^(list|open|read|close)/.test(label))).toEqual([
      'syncDirectory version-2',
    ]);
  });

  it.each(['7\n', '7\r\n', '7\nnot read', '007', '7\r'])('may hold %j', async (text) => {
    const fixture = new EpochFixture({ acceptedEpoch: text, currentEpoch: '5' });
    expect((await fixture.open()).accepted).toBe(7);
  });

  it.each([
    [{}, 5, 5],
    [{ acceptedEpoch: '8' }, 8, 5],
    [{ currentEpoch: '6' }, 6, 6],
    [{ currentEpoch: '5' }, 5, 5],
    // A start of ZooKeeper without data and without leave to begin anew.
    [{ acceptedEpoch: '-1', currentEpoch: '-1' }, 0, 0, 0],
  ])('%j: what is missing is written', async (files: Texts, accepted, current, last = LAST) => {
    const fixture = new EpochFixture(files);
    expect(await fixture.open(last)).toMatchObject({ accepted, current });
    if (last === 0) return;
    expect(fixture.files).toEqual({
      acceptedEpoch: String(accepted),
      currentEpoch: String(current),
    });
  });

  it('are one byte shorter than a line, as ZooKeeper writes them', async () => {
    const fixture = new EpochFixture({});
    const epochs = await fixture.open();
    await epochs.setAccepted(12);
    await epochs.setCurrent(12);
    expect(fixture.files).toEqual({ acceptedEpoch: '12', currentEpoch: '12' });
  });

  it('that a real server wrote are read', async () => {
    for (const server of ['ensemble/server1', 'ensemble/server3', 'trunc/after']) {
      const text = (name: string) => new TextDecoder().decode(goldenDiskFile(`${server}/${name}`));
      const files = { acceptedEpoch: text('acceptedEpoch'), currentEpoch: text('currentEpoch') };
      const fixture = new EpochFixture(files);
      const epoch = Number(files.acceptedEpoch);
      expect(epoch).toBeGreaterThan(1);
      expect(await fixture.open(0x1_0000_0004)).toMatchObject({ accepted: epoch, current: epoch });
    }
  });

  it.each([
    ['acceptedEpoch', '', 'promise'],
    ['acceptedEpoch', 'five', 'promise'],
    ['acceptedEpoch', ' 5', 'promise'],
    ['acceptedEpoch', '-2', 'promise'],
    ['acceptedEpoch', '\n5', 'promise'],
    ['currentEpoch', '5 ', 'damage'],
    ['currentEpoch', '0x5', 'damage'],
    ['currentEpoch', '5'.repeat(20), 'damage'],
    ['acceptedEpoch', '2097152', 'foreign'],
    ['currentEpoch', '9223372036854775807', 'foreign'],
  ])('with %s %j are refused', async (name, text, problem) => {
    const error = await refusal({ acceptedEpoch: '5', currentEpoch: '5', [name]: text });
    expect(error.path).toBe(`${DIRECTORY}/${name}`);
    expect(error.problem).toBe(problem);
    expect(isRepairable(error)).toBe(problem === 'damage');
  });

  it('go up to the last epoch that a zxid can be of', async () => {
    const fixture = new EpochFixture({ acceptedEpoch: '2097151', currentEpoch: '5' });
    expect((await fixture.open()).accepted).toBe(2097151);
  });
});

describe('a current epoch', () => {
  it('beyond the accepted one is refused', async () => {
    const error = await refusal({ acceptedEpoch: '5', currentEpoch: '6' });
    expect(error.message).toMatch(
      /^\/data\/version-2\/acceptedEpoch: says 5, but currentEpoch beside it says 6: .*put back/,
    );
    expect(isRepairable(error)).toBe(false);
  });

  it.each([{ currentEpoch: '4' }, { currentEpoch: '3' }, {}])(
    'of a log that goes on in an epoch that was not accepted is refused: %j',
    async (files: Texts) => {
      const error = await refusal({ acceptedEpoch: '4', ...files });
      expect(error.message).toMatch(
        /acceptedEpoch: says 4, but the last transaction is 0x500000007, of epoch 5: .*put back/,
      );
      expect(error.problem).toBe('misplaced');
    },
  );

  it('before that of the last transaction is brought up when that one was accepted', async () => {
    const fixture = new EpochFixture({ acceptedEpoch: '6', currentEpoch: '4' });
    expect(await fixture.open()).toMatchObject({ accepted: 6, current: 5 });
    expect(fixture.files).toEqual({ acceptedEpoch: '6', currentEpoch: '5' });
    expect(fixture.messages).toEqual(['currentEpoch was 4; it is 5 now.']);
  });

  it('before that of the last transaction is refused when nothing explains it', async () => {
    const error = await refusal({ currentEpoch: '4' });
    expect(error.message).toMatch(
      /currentEpoch: says 4, but the last transaction is 0x500000007, of epoch 5, and there is no ac/,
    );
    expect(error.problem).toBe('misplaced');
  });

  it.each(['currentEpoch.tmp', 'updatingEpoch'])(
    'before that of the last transaction is brought up when there is %s',
    async (marker) => {
      const fixture = new EpochFixture({ currentEpoch: '4', [marker]: '' });
      expect(await fixture.open()).toMatchObject({ accepted: 5, current: 5 });
      expect(fixture.files).toEqual({ acceptedEpoch: '5', currentEpoch: '5' });
    },
  );

  it.each(['currentEpoch.tmp', 'acceptedEpoch.tmp', 'updatingEpoch'])(
    'is not that of a leftover %s, which goes',
    async (leftover) => {
      const files = { acceptedEpoch: '7', currentEpoch: '6' };
      const fixture = new EpochFixture({ ...files, [leftover]: '99' });
      expect(await fixture.open()).toMatchObject({ accepted: 7, current: 6 });
      expect(fixture.files).toEqual(files);
    },
  );
});

describe('an epoch that is set', () => {
  async function opened(): Promise<{ fixture: EpochFixture; epochs: EpochFiles }> {
    const fixture = new EpochFixture({ acceptedEpoch: '5', currentEpoch: '5' });
    const epochs = await fixture.open();
    fixture.disk.takeAsked();
    return { fixture, epochs };
  }

  it('is there when the file and its name are durable, and not before', async () => {
    const { fixture, epochs } = await opened();
    const { disk } = fixture;
    disk.holds = /./;
    let isSet = false;
    void epochs.setAccepted(6).then(() => (isSet = true));
    const steps: string[] = [];
    for (await settled(); !isSet; await settled()) {
      expect(epochs.accepted).toBe(5);
      steps.push(...disk.waiting);
      await disk.release();
    }
    expect(epochs.accepted).toBe(6);
    expect(steps).toEqual([
      'open acceptedEpoch.tmp create',
      'write acceptedEpoch.tmp 0+1',
      'sync acceptedEpoch.tmp',
      'close acceptedEpoch.tmp',
      'rename acceptedEpoch.tmp acceptedEpoch',
      'syncDirectory version-2',
    ]);
  });

  it('again costs nothing', async () => {
    const { fixture, epochs } = await opened();
    await epochs.setAccepted(5);
    await epochs.setCurrent(5);
    expect(fixture.disk.asked).toEqual([]);
  });

  it('waits for the one before', async () => {
    const { epochs } = await opened();
    const both = [epochs.setAccepted(6), epochs.setCurrent(6), epochs.setAccepted(7)];
    await Promise.all(both);
    expect(epochs).toMatchObject({ accepted: 7, current: 6 });
  });

  it.each([
    ['accepted backwards', (epochs: EpochFiles) => epochs.setAccepted(4)],
    ['current backwards', (epochs: EpochFiles) => epochs.setCurrent(4)],
    ['current beyond accepted', (epochs: EpochFiles) => epochs.setCurrent(6)],
    ['beyond what a zxid can be of', (epochs: EpochFiles) => epochs.setAccepted(0x20_0000)],
  ])('%s is a bug', async (_what, set) => {
    const { fixture, epochs } = await opened();
    await expect(set(epochs)).rejects.toThrow(AssertionError);
    expect(fixture.disk.asked).toEqual([]);
  });

  it('and fails at any operation is not there, and no other after it', async () => {
    const { fixture: whole, epochs: good } = await opened();
    await good.setAccepted(6);
    for (const label of whole.disk.asked) {
      const { fixture, epochs } = await opened();
      fixture.disk.failNext(new RegExp(`^${label.replace('+', '\\+')}$`));
      await expect(epochs.setAccepted(6)).rejects.toThrow(DiskError);
      expect(epochs.accepted).toBe(5);
      fixture.disk.takeAsked();
      await expect(epochs.setAccepted(7)).rejects.toThrow(DiskError);
      await expect(epochs.setCurrent(5)).rejects.toThrow(DiskError);
      expect(epochs).toMatchObject({ accepted: 5, current: 5 });
      expect(fixture.disk.asked).toEqual([]);
      expect(Object.keys(fixture.files)).toEqual(['acceptedEpoch', 'currentEpoch']);
    }
  });
});

describe('myid', () => {
  function read(text: string | null): Promise<number> {
    const disk = new ScriptedDisk();
    if (text !== null) disk.memory.put('/data/myid', Buffer.from(text));
    return readServerId(disk, '/data');
  }

  it.each([
    ['1', 1],
    ['254\n', 254],
    ['3\r\n', 3],
    ['07', 7],
    ['12\nserver of the second rack', 12],
  ])('%j is %i', async (text, id) => {
    expect(await read(text)).toBe(id);
  });

  it.each(['', '\n3', '0', '255', '-1', '1.5', 'one', ' 3', '3 ', '9'.repeat(30)])(
    '%j is refused with a sentence',
    async (text) => {
      await expect(read(text)).rejects.toThrow(
        /^\/data\/myid: says ".*"; write the number of this server into it, from 1 to 254/,
      );
    },
  );

  it('that is missing is refused with a sentence', async () => {
    await expect(read(null)).rejects.toThrow(
      /^\/data\/myid: the file is missing; write the number/,
    );
    await expect(read(null)).rejects.toThrow(StorageError);
  });
});
