import type { Disk } from '@aviary/foundation';
import { writeLine } from './checked-line.js';
import { joinPath } from './file-names.js';

/** The name of the file, beside the snapshots. */
export const REJOIN_MARK_NAME = 'rejoining';

/**
 * A file that is there while a member of an ensemble may know less than it has acknowledged: its
 * data were lost or put aside, and no leader has brought it up to date since.
 *
 * A member without its data votes for histories that lack what it once helped to commit. So it must
 * neither vote nor lead until it has the history of a leader that was elected without it.
 */
export class RejoinMark {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
  ) {}

  /** Whether the file is there. */
  async isSet(): Promise<boolean> {
    return (await this.disk.list(this.directory)).includes(REJOIN_MARK_NAME);
  }

  /** Resolves when the file is there for good. */
  begin(): Promise<void> {
    const line = 'does not vote before it has the history of a leader';
    return writeLine(this.disk, this.directory, REJOIN_MARK_NAME, line);
  }

  /** Resolves when the file is gone for good; also if it was not there. */
  async end(): Promise<void> {
    if (!(await this.isSet())) return;
    await this.disk.remove(joinPath(this.directory, REJOIN_MARK_NAME));
    await this.disk.syncDirectory(this.directory);
  }
}
