import { formatZxid, type Disk, type Zxid } from '@aviary/foundation';
import { readLine, writeLine } from './checked-line.js';
import { StorageError } from './errors.js';
import { joinPath, type NamedFile } from './file-names.js';

/** The name of the file, beside the snapshots. */
export const HISTORY_ORIGIN_NAME = 'history-origin';

/**
 * A file that names the snapshot with which the history on this disk begins, once a leader has sent
 * one.
 *
 * What is older may stay, for an operator and until it is purged, but it does not connect: between
 * the last transaction of it and the snapshot some may be missing, and others may never have been
 * committed. Where the epoch changes the zxids would not show it.
 */
export class HistoryOriginFile {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
  ) {}

  /** The zxid of the snapshot; null: the history goes back as far as there are files. */
  async read(): Promise<Zxid | null> {
    const line = await readLine(this.disk, this.directory, HISTORY_ORIGIN_NAME);
    if (line === null) return null;
    const zxid = /^snapshot 0x([0-9a-f]+) of a leader$/.exec(line)?.[1];
    if (zxid !== undefined) return parseInt(zxid, 16);
    throw new StorageError(
      joinPath(this.directory, HISTORY_ORIGIN_NAME),
      null,
      `says ${JSON.stringify(line)}, which this version cannot read; start the version that wrote it`,
      { problem: 'foreign' },
    );
  }

  /** Resolves when the origin is durable. */
  write(zxid: Zxid): Promise<void> {
    const line = `snapshot 0x${formatZxid(zxid)} of a leader`;
    return writeLine(this.disk, this.directory, HISTORY_ORIGIN_NAME, line);
  }

  /**
   * Those of the files that belong to the history from `origin` on.
   *
   * @throws {StorageError} The snapshot with which it begins is missing, and so is every later one.
   */
  connected(origin: Zxid | null, { snapshots, logs }: HistoryNames): HistoryNames {
    if (origin === null) return { snapshots, logs };
    const connected = {
      snapshots: snapshots.filter(({ zxid }) => zxid >= origin),
      // The log behind a snapshot of a leader is always begun anew.
      logs: logs.filter(({ zxid }) => zxid > origin),
    };
    if (connected.snapshots.length > 0) return connected;
    throw new StorageError(
      joinPath(this.directory, HISTORY_ORIGIN_NAME),
      null,
      `the history of this server begins with the snapshot 0x${formatZxid(origin)} of a leader, but ` +
        'neither that nor a later one is here: restore it; if older files were put back on purpose, ' +
        'remove this file',
    );
  }
}

/** The files that hold a history, oldest first. */
interface HistoryNames {
  readonly snapshots: readonly NamedFile[];
  readonly logs: readonly NamedFile[];
}
