import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and all above it. Node's own recursive mkdir does not return where the system says
 * that a name does not exist below a directory that does, as in `/proc`.
 */
export async function makeDirectories(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if ((await directoryState(directory)) === 'directory') return;
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(directory);
    if (code !== 'ENOENT' || (await directoryState(parent)) !== 'missing') throw error;
    await makeDirectories(parent);
    await makeDirectories(directory);
  }
}

async function directoryState(path: string): Promise<'directory' | 'other' | 'missing'> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'other';
  }
}
