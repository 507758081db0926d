import { describe, expect, it } from '@jest/globals';
import { silentLog, type Disk } from '@aviary/foundation';
import { DataDirectory, type EpochFiles } from '@aviary/storage';
import type { SimulatedClock } from '@aviary/simulator';
import { isConvicted, playWhole, putDurable, violationsOf, type CrashTest } from './every-point.js';
import { NoDirectorySync, NoFileSync } from './lying-disks.js';

// What a server has promised to a leader it must know after any crash.

const DATA_DIR = '/data/zk';
const DIRECTORY = `${DATA_DIR}/version-2`;

function openEpochs(disk: Disk, clock: SimulatedClock, lastZxid: number): Promise<EpochFiles> {
  return new DataDirectory(disk, clock, { dataDir: DATA_DIR }).openEpochs(lastZxid, silentLog);
}

/** A member that follows two leaders, the second one with a history. */
function following(wrap?: CrashTest['wrap']): CrashTest {
  // Each run of the test is one world after the other.
  let promised = 0;
  let learned = 0;
  return {
    ...(wrap === undefined ? {} : { wrap }),
    prepare: async (disk) => {
      promised = 5;
      learned = 4;
      await disk.makeDirectory(DIRECTORY);
      for (const directory of ['/data', DATA_DIR]) await disk.syncDirectory(directory);
      await putDurable(disk, DIRECTORY, 'acceptedEpoch', Buffer.from('5'));
      await putDurable(disk, DIRECTORY, 'currentEpoch', Buffer.from('4'));
    },
    work: async (disk, { clock }) => {
      const epochs = await openEpochs(disk, clock, 0x4_0000_0009);
      await epochs.setAccepted(6);
      promised = 6;
      await epochs.setAccepted(7);
      promised = 7;
      await epochs.setCurrent(7);
      learned = 7;
    },
    next: async (disk, { clock }) => {
      const { accepted, current } = await openEpochs(disk, clock, 0x4_0000_0009);
      if (accepted < promised) throw new Error(`promised ${promised}, and knows ${accepted}`);
      if (current < learned) throw new Error(`has learned ${learned}, and knows ${current}`);
      if (accepted > 7 || current > accepted) throw new Error(`${accepted}, ${current}`);
      // Whoever asks was told so, and goes by it.
      promised = accepted;
      learned = current;
    },
  };
}

describe('epochs', () => {
  it('are not forgotten in a crash at any operation, or by an error at any', async () => {
    expect((await playWhole(following())).operations).toBeGreaterThan(20);
    expect(await violationsOf(following())).toEqual([]);
  });

  it.each([
    ['directories', NoDirectorySync],
    ['files', NoFileSync],
  ])('are, where %s are not synced', async (_what, Lying) => {
    expect(await isConvicted(following((disk) => new Lying(disk)))).toBe(true);
  });
});
