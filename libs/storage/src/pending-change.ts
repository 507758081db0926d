import { formatZxid, type Disk, type Zxid } from '@aviary/foundation';
import { readLine, writeLine } from './checked-line.js';
import { StorageError } from './errors.js';
import { joinPath } from './file-names.js';

/** The name of the file, beside the snapshots. */
export const PENDING_CHANGE_NAME = 'pending-change';

/** A change of the history on the disk that takes several steps. */
export type PendingChange =
  /** Everything behind `zxid` goes, and every snapshot newer than `snapshot`; null: every one. */
  | { readonly kind: 'truncation'; readonly zxid: Zxid; readonly snapshot: Zxid | null }
  /** The snapshot of `zxid`, which stands under its unfinished name, replaces the history. */
  | { readonly kind: 'installation'; readonly zxid: Zxid }
  /** The whole history goes into the directories with this number. */
  | { readonly kind: 'settingAside'; readonly number: number };

/**
 * A file that says what is being done to the files around it. Everything that it takes is ready and
 * durable when it is written: from then on the change counts as made. After a crash the next start
 * makes it again, before it reads anything.
 */
export class PendingChangeFile {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
  ) {}

  /** @throws {StorageError} The file is damaged. */
  async read(): Promise<PendingChange | null> {
    const line = await readLine(this.disk, this.directory, PENDING_CHANGE_NAME);
    if (line === null) return null;
    const change = parseChange(line);
    if (change !== null) return change;
    throw new StorageError(
      joinPath(this.directory, PENDING_CHANGE_NAME),
      null,
      `asks for ${JSON.stringify(line)}, which this version cannot do; start the version that wrote it`,
      { problem: 'foreign' },
    );
  }

  /** The change is going to be made; resolves when that is durable. */
  begin(change: PendingChange): Promise<void> {
    return writeLine(this.disk, this.directory, PENDING_CHANGE_NAME, formatChange(change));
  }

  /** The change was made, durably. */
  async end(): Promise<void> {
    await this.disk.remove(joinPath(this.directory, PENDING_CHANGE_NAME));
    await this.disk.syncDirectory(this.directory);
  }
}

function formatChange(change: PendingChange): string {
  switch (change.kind) {
    case 'truncation': {
      const snapshot = change.snapshot === null ? 'none' : `0x${formatZxid(change.snapshot)}`;
      return `truncation to 0x${formatZxid(change.zxid)} upon snapshot ${snapshot}`;
    }
    case 'installation':
      return `installation of snapshot 0x${formatZxid(change.zxid)}`;
    case 'settingAside':
      return `setting aside of everything as number ${change.number}`;
  }
}

function parseChange(line: string): PendingChange | null {
  const truncation = /^truncation to 0x([0-9a-f]+) upon snapshot (none|0x[0-9a-f]+)$/.exec(line);
  if (truncation !== null) {
    const [, zxid, snapshot] = truncation;
    return {
      kind: 'truncation',
      zxid: parseInt(zxid, 16),
      snapshot: snapshot === 'none' ? null : parseInt(snapshot, 16),
    };
  }
  const installation = /^installation of snapshot 0x([0-9a-f]+)$/.exec(line);
  if (installation !== null) return { kind: 'installation', zxid: parseInt(installation[1], 16) };
  const settingAside = /^setting aside of everything as number (\d+)$/.exec(line);
  return settingAside && { kind: 'settingAside', number: Number(settingAside[1]) };
}
