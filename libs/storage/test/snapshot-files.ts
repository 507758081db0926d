import { DataDirectory, type SnapshotSource } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { entryOf } from './log-files.js';
import { ManualClock } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

/** A snapshot of a ledger with transactions 1 to `zxid`, as our writer writes it. */
export function snapshotFileOf(
  zxid: number,
  digest: SnapshotSource['digest'] = { high: 1, low: zxid },
): Promise<Uint8Array> {
  return snapshotOf(
    Array.from({ length: zxid }, (_, i) => i + 1),
    digest,
  );
}

/** A snapshot of a ledger with these transactions; what it says of itself is the last of them. */
export async function snapshotOf(
  zxids: readonly number[],
  digest: SnapshotSource['digest'] = { high: 1, low: zxids.length },
): Promise<Uint8Array> {
  const ledger = new Ledger();
  for (const zxid of zxids) ledger.entries.push(entryOf(zxid));
  const disk = new MemoryDisk();
  const directory = new DataDirectory(disk, new ManualClock(), { dataDir: '/data' });
  await directory.writeSnapshot({ ...ledger.snapshot(), digest });
  return disk.bytesOf(`/data/version-2/snapshot.${(zxids.at(-1) ?? 0).toString(16)}`);
}
