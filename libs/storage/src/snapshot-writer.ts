import type { Disk, DiskFile, Zxid } from '@aviary/foundation';
import { ADLER32_START, adler32 } from './adler32.js';
import { UNFINISHED_PREFIX, joinPath, snapshotName } from './file-names.js';
import { digestSection, seal, snapshotHeader, zxidSection } from './snapshot-format.js';

/** So much is written before it is synced: one sync of a whole tree would hold up the log for long. */
const SYNC_EVERY_BYTES = 4 << 20;

/** A tree as it was at one zxid, written out piece by piece. */
export interface SnapshotSource {
  readonly zxid: Zxid;
  /** The digest of the tree at `zxid`; null writes no digest section. */
  readonly digest: { readonly high: number; readonly low: number } | null;
  /** The next piece of the body, or null after the last. The bytes are good until the next call. */
  next(): Uint8Array | null;
  /** Ends the source, finished or not. */
  close(): void;
}

/** A file with the running checksum of what was written to it. */
class SealedFile {
  private checksum = ADLER32_START;
  private position = 0;
  private unsynced = 0;

  constructor(private readonly file: DiskFile) {}

  get bytesWritten(): number {
    return this.position;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.checksum = adler32(this.checksum, bytes, 0, bytes.length);
    await this.file.write(bytes, this.position);
    this.position += bytes.length;
    this.unsynced += bytes.length;
    if (this.unsynced < SYNC_EVERY_BYTES) return;
    this.unsynced = 0;
    await this.file.sync();
  }

  seal(): Promise<void> {
    return this.write(seal(this.checksum));
  }
}

/**
 * Writes a snapshot into `directory`, under another name until it is whole and on the disk.
 *
 * @returns The bytes of the file.
 * @throws {DiskError} What there was of the file is removed where possible; older snapshots and all
 * logs are as they were.
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  source: SnapshotSource,
): Promise<number> {
  const bytes = await writeUnfinishedSnapshot(disk, directory, source);
  try {
    await nameSnapshot(disk, directory, source.zxid);
  } catch (error) {
    source.close();
    await disk.remove(unfinishedPath(directory, source.zxid)).catch(() => undefined);
    throw error;
  }
  return bytes;
}

/**
 * Writes a snapshot under the name that it has until it counts. Its contents are then on the disk;
 * its name is not.
 *
 * @throws {DiskError} As {@link writeSnapshot}.
 */
export async function writeUnfinishedSnapshot(
  disk: Disk,
  directory: string,
  source: SnapshotSource,
): Promise<number> {
  const path = unfinishedPath(directory, source.zxid);
  try {
    const file = await disk.open(path, 'create');
    return await writeFile(file, source);
  } catch (error) {
    source.close();
    // The disk may refuse this too; the next start clears what is left.
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

/** Gives an unfinished snapshot its name; resolves when it is durable. */
export async function nameSnapshot(disk: Disk, directory: string, zxid: Zxid): Promise<void> {
  await disk.rename(unfinishedPath(directory, zxid), joinPath(directory, snapshotName(zxid)));
  await disk.syncDirectory(directory);
}

function unfinishedPath(directory: string, zxid: Zxid): string {
  return joinPath(directory, UNFINISHED_PREFIX + snapshotName(zxid));
}

async function writeFile(file: DiskFile, source: SnapshotSource): Promise<number> {
  const sealed = new SealedFile(file);
  try {
    await sealed.write(snapshotHeader());
    for (let piece = source.next(); piece !== null; piece = source.next())
      await sealed.write(piece);
    await sealed.seal();
    if (source.digest !== null) {
      await sealed.write(digestSection(source.zxid, source.digest.high, source.digest.low));
      await sealed.seal();
      await sealed.write(zxidSection(source.zxid));
      await sealed.seal();
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return sealed.bytesWritten;
}
