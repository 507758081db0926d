import { DataDirectory, type SnapshotSource } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { entryOf } from './log-files.js';
import { ManualClock } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

/** A snapshot of a ledger with transactions 1 to `zxid`, as our writer writes it. */
export async function snapshotFileOf(
  zxid: number,
  digest: SnapshotSource['digest'] = { high: 1, low: zxid },
): Promise<Uint8Array> {
  const ledger = new Ledger();
  for (let each = 1; each <= zxid; each++) ledger.entries.push(entryOf(each));
  const disk = new MemoryDisk();
  const directory = new DataDirectory(disk, new ManualClock(), { dataDir: '/data' });
  await directory.writeSnapshot({ ...ledger.snapshot(), digest });
  return disk.bytesOf(`/data/version-2/snapshot.${zxid.toString(16)}`);
}
