import { formatZxid, type Disk, type Zxid } from '@aviary/foundation';
import { readLine, writeLine } from './checked-line.js';
import { StorageError } from './errors.js';
import { joinPath } from './file-names.js';

/** The name of the file, beside the snapshots. */
export const PENDING_CHANGE_NAME = 'pending-change';

/**
 * A change of the history on the disk that takes several steps. `newest` is the greatest zxid in the
 * names of all logs and snapshots when it was begun, and of those that it makes.
 */
export type PendingChange =
  /** Everything behind `zxid` goes, and every snapshot newer than `snapshot`; null: every one. */
  | {
      readonly kind: 'truncation';
      readonly zxid: Zxid;
      readonly snapshot: Zxid | null;
      readonly newest: Zxid;
    }
  /** The snapshot of `zxid`, which stands under its unfinished name, replaces the history. */
  | { readonly kind: 'installation'; readonly zxid: Zxid; readonly newest: Zxid }
  /** The whole history goes into the directories with this number. */
  | { readonly kind: 'settingAside'; readonly number: number };

/**
 * A file that says what is being done to the files around it. Everything that it takes is ready and
 * durable when it is written: from then on the change counts as made. After a crash the next start
 * makes it again, before it reads anything; but not over what another server has written since.
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

  /**
   * Checks before a change is made again that nobody has gone on with the files since it was begun.
   *
   * @throws {StorageError} There is a file named after a later transaction.
   */
  refuseIfOutdated(change: PendingChange, newest: Zxid): void {
    if (change.kind === 'settingAside' || newest <= change.newest) return;
    throw new StorageError(
      joinPath(this.directory, PENDING_CHANGE_NAME),
      null,
      `a change was under way (${change.kind} to ${hex(change.zxid)}), but another server has gone ` +
        `on to ${hex(newest)} since; if its history is to stay, remove this file`,
      { problem: 'misplaced' },
    );
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
      const snapshot = change.snapshot === null ? 'none' : hex(change.snapshot);
      const what = `truncation to ${hex(change.zxid)} upon snapshot ${snapshot}`;
      return `${what} of files up to ${hex(change.newest)}`;
    }
    case 'installation':
      return `installation of snapshot ${hex(change.zxid)} over files up to ${hex(change.newest)}`;
    case 'settingAside':
      return `setting aside of everything as number ${change.number}`;
  }
}

function hex(zxid: Zxid): string {
  return `0x${formatZxid(zxid)}`;
}

const TRUNCATION =
  /^truncation to 0x([0-9a-f]+) upon snapshot (none|0x[0-9a-f]+) of files up to 0x([0-9a-f]+)$/;
const INSTALLATION = /^installation of snapshot 0x([0-9a-f]+) over files up to 0x([0-9a-f]+)$/;
const SETTING_ASIDE = /^setting aside of everything as number (\d+)$/;

function parseChange(line: string): PendingChange | null {
  const truncation = TRUNCATION.exec(line);
  if (truncation !== null) {
    const [, zxid, snapshot, newest] = truncation;
    return {
      kind: 'truncation',
      zxid: parseInt(zxid, 16),
      snapshot: snapshot === 'none' ? null : parseInt(snapshot, 16),
      newest: parseInt(newest, 16),
    };
  }
  const installation = INSTALLATION.exec(line);
  if (installation !== null) {
    const [, zxid, newest] = installation;
    return { kind: 'installation', zxid: parseInt(zxid, 16), newest: parseInt(newest, 16) };
  }
  const settingAside = SETTING_ASIDE.exec(line);
  return settingAside && { kind: 'settingAside', number: Number(settingAside[1]) };
}
