import type { Disk } from '@aviary/foundation';
import { readStart } from './whole-file.js';

/** No number that a server has to know is longer. */
const FIRST_LINE_BYTES_MAX = 64;

const ascii = new TextEncoder();
const text = new TextDecoder();

/**
 * The first line of a file that holds a number, as ZooKeeper reads `myid` and the epoch files: what
 * follows the line does not count.
 *
 * @returns What stands in the line and its value: null unless it is decimal digits, with a minus in
 * front or not. null: there is no such file.
 */
export async function readDecimal(
  disk: Disk,
  path: string,
): Promise<{ readonly line: string; readonly value: number | null } | null> {
  const bytes = await readStart(disk, path, FIRST_LINE_BYTES_MAX);
  if (bytes === null) return null;
  const [line = ''] = text.decode(bytes).split(/\r|\n/, 1);
  return { line, value: /^-?\d{1,19}$/.test(line) ? Number(line) : null };
}

/** The contents of such a file, as ZooKeeper writes it: digits and nothing else. */
export function decimalBytes(value: number): Uint8Array {
  return ascii.encode(String(value));
}
