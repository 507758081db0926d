import type { Disk } from '@aviary/foundation';
import { ADLER32_START, adler32 } from './adler32.js';
import { StorageError } from './errors.js';
import { UNFINISHED_PREFIX, joinPath } from './file-names.js';
import { readStart, replaceFile } from './whole-file.js';

/** Room for the names of all servers of a large ensemble. */
const LINE_BYTES_MAX = 128 * 1024;

const utf8 = new TextEncoder();
const text = new TextDecoder();

/**
 * Files of our own with one line each: words that an operator can read, and their checksum. They
 * come and go as a whole, so that a line whose checksum is wrong is damage.
 */
export async function readLine(
  disk: Disk,
  directory: string,
  name: string,
): Promise<string | null> {
  const path = joinPath(directory, name);
  const bytes = await readStart(disk, path, LINE_BYTES_MAX);
  if (bytes === null) return null;
  const line = /^(.*) [0-9a-f]{8}\n$/.exec(text.decode(bytes))?.[1];
  if (line === undefined || text.decode(lineBytes(line)) !== text.decode(bytes)) {
    throw new StorageError(
      path,
      null,
      'is damaged; restore all files of this directory from one moment',
    );
  }
  return line;
}

/** Writes such a file; resolves when it is durable. */
export function writeLine(
  disk: Disk,
  directory: string,
  name: string,
  line: string,
): Promise<void> {
  return replaceFile(disk, directory, name, UNFINISHED_PREFIX + name, lineBytes(line));
}

function lineBytes(line: string): Uint8Array {
  const bytes = utf8.encode(line);
  const checksum = adler32(ADLER32_START, bytes, 0, bytes.length);
  return utf8.encode(`${line} ${checksum.toString(16).padStart(8, '0')}\n`);
}
