import type { Disk } from '@aviary/foundation';
import { readDecimal } from './decimal-file.js';
import { StorageError } from './errors.js';
import { joinPath } from './file-names.js';

const SERVER_ID_NAME = 'myid';
/** With 255 in the top byte a session id would look like a time to live. */
const SERVER_ID_MAX = 254;

/**
 * Reads which member of the ensemble this server is, from the file `myid` in `dataDir`
 * (ZooKeeper's QuorumPeerConfig.setupMyId).
 *
 * @returns A number from 1 to 254.
 * @throws {StorageError} The file is missing or says something else.
 */
export async function readServerId(disk: Disk, dataDir: string): Promise<number> {
  const path = joinPath(dataDir, SERVER_ID_NAME);
  const found = await readDecimal(disk, path);
  const wanted =
    `write the number of this server into it, from 1 to ${SERVER_ID_MAX}, as in its line ` +
    'server.<number> of the configuration';
  if (found === null) {
    throw new StorageError(path, null, `the file is missing; ${wanted}`, { problem: 'misplaced' });
  }
  const { line, value } = found;
  if (value === null || value < 1 || value > SERVER_ID_MAX) {
    throw new StorageError(path, null, `says ${JSON.stringify(line)}; ${wanted}`, {
      problem: 'misplaced',
    });
  }
  return value;
}
