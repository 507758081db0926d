import { isMissing, type Disk } from '@aviary/foundation';
import { joinPath } from './file-names.js';

/** The first `bytesMax` bytes of a small file; null: there is no such file. */
export async function readStart(
  disk: Disk,
  path: string,
  bytesMax: number,
): Promise<Uint8Array | null> {
  try {
    const file = await disk.open(path, 'read');
    try {
      const bytes = new Uint8Array(bytesMax);
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/**
 * Writes a small file as a whole: it stands under the name `unfinished` until it is on the disk.
 * Resolves when the contents and the name are durable.
 *
 * @throws {DiskError} The file may be the old or the new one, and may change back at a power cut:
 * the next start will see.
 */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  unfinished: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = joinPath(directory, unfinished);
  try {
    const file = await disk.open(path, 'create');
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(path, joinPath(directory, name));
  } catch (error) {
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
  await disk.syncDirectory(directory);
}

/** Makes what was read from a file durable. */
export async function syncFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'read');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
