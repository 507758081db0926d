import type { Disk, DiskError } from '@aviary/foundation';
import type { DataDirectory, DataDirectoryOptions, LogBatch, LogListener } from '@aviary/storage';
import { writeEntry, type LedgerEntry } from '../ledger.js';

/** Makes the directories of a server, durably; where snapshots and logs go. */
export async function makeDirectories(
  disk: Disk,
  { dataDir, dataLogDir = dataDir }: DataDirectoryOptions,
): Promise<{ readonly snapshots: string; readonly logs: string }> {
  for (const directory of new Set([dataDir, dataLogDir])) {
    await disk.makeDirectory(`${directory}/version-2`);
    await disk.syncDirectory(directory);
  }
  await disk.syncDirectory('/data');
  return { snapshots: `${dataDir}/version-2`, logs: `${dataLogDir}/version-2` };
}

/** Opens the log of a directory, appends transactions, and closes it when they are durable. */
export async function appendTo(
  directory: DataDirectory,
  entries: readonly LedgerEntry[],
): Promise<void> {
  const written = new Written(entries.length);
  const log = await directory.openLog({ preAllocBytes: 4096, forceSync: true }, written);
  for (const entry of entries) {
    writeEntry(log.begin(), entry);
    log.end(entry.zxid);
  }
  log.flush();
  await written.all;
  await log.close();
}

/** Waits until so many transactions are durable. */
class Written implements LogListener {
  readonly all: Promise<void>;
  private resolve: () => void = () => undefined;
  private reject: (error: DiskError) => void = () => undefined;

  constructor(private left: number) {
    this.all = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  onDurable({ count }: LogBatch): void {
    this.left -= count;
    if (this.left === 0) this.resolve();
  }

  onFailure(error: DiskError): void {
    this.reject(error);
  }
}
