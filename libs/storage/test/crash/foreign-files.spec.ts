import { expect, it } from '@jest/globals';
import { silentLog, type Disk } from '@aviary/foundation';
import { World, worstPowerCut, type SimulatedProcess } from '@aviary/simulator';
import { DataDirectory } from '@aviary/storage';
import { Ledger } from '../ledger.js';
import { entryOf, logFileOf } from '../log-files.js';
import { snapshotFileOf } from '../snapshot-files.js';

// ZooKeeper waits for the disk with its log only: not with snapshots, not with names. Whoever goes
// on with its files shows clients what is in them, and must not lose it.

const DATA_DIR = '/data/zk';

async function putUnsynced(disk: Disk, name: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(`${DATA_DIR}/version-2/${name}`, 'create');
  await file.write(bytes, 0);
  await file.close();
}

async function leaveFiles(disk: Disk): Promise<void> {
  for (const directory of [DATA_DIR, `${DATA_DIR}/version-2`]) await disk.makeDirectory(directory);
  await putUnsynced(disk, 'snapshot.2', await snapshotFileOf(2));
  await putUnsynced(disk, 'log.1', logFileOf([1, 2, 3].map((zxid) => entryOf(zxid))));
  await putUnsynced(disk, 'log.4', logFileOf([4, 5].map((zxid) => entryOf(zxid))));
  await putUnsynced(
    disk,
    'log.6',
    logFileOf(
      [6].map((zxid) => entryOf(zxid, 900)),
      16_384,
    ),
  );
}

async function recoverOn({ disk, clock }: SimulatedProcess): Promise<Ledger> {
  const ledger = new Ledger();
  await new DataDirectory(disk, clock, { dataDir: DATA_DIR }).recover(ledger, silentLog);
  return ledger;
}

it('what another server left without a sync is durable once it was recovered', async () => {
  for (const left of ['snapshot and logs', 'logs alone']) {
    const world = new World({ seed: 5 });
    const host = world.addHost('one');
    const recovered: Ledger[] = [];
    const run = async (work: (process: SimulatedProcess) => Promise<void>) => {
      const process = host.boot();
      let isOver = false;
      const working = work(process).finally(() => (isOver = true));
      await world.reach(() => isOver, { virtualMsMax: 10_000 });
      await working;
      process.kill(worstPowerCut);
    };
    await run(async (process) => {
      await leaveFiles(process.disk);
      if (left === 'logs alone') await process.disk.remove(`${DATA_DIR}/version-2/snapshot.2`);
      recovered.push(await recoverOn(process));
    });
    await run(async (process) => {
      recovered.push(await recoverOn(process));
    });
    const zxids = recovered.map(({ entries }) => entries.map(({ zxid }) => zxid));
    expect(zxids).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5, 6],
    ]);
    const usedSnapshot = recovered.map(({ calls }) => calls.includes('begin'));
    expect(usedSnapshot).toEqual(left === 'logs alone' ? [false, false] : [true, true]);
  }
});
