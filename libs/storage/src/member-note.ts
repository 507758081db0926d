import type { Disk } from '@aviary/foundation';
import { readLine, writeLine } from './checked-line.js';
import { StorageError } from './errors.js';

/** The name of the file, beside the snapshots. */
export const MEMBER_NOTE_NAME = 'member';

/** Which member of which ensemble keeps its data in a directory. */
export interface MemberNote {
  readonly serverId: number;
  /** The servers of the ensemble by their ids, each with the hosts that it is reached at. */
  readonly servers: ReadonlyMap<number, readonly string[]>;
}

/**
 * A file that says whose data lies beside it. Nothing in ZooKeeper's own files does, and a server that
 * goes on with the data of another one breaks the promises of both.
 *
 * A directory without it is nobody's yet, such as one that ZooKeeper has written.
 */
export class MemberNoteFile {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
  ) {}

  /** null: there is none, or none that can be read: that nobody knows must not stop a server. */
  async read(): Promise<MemberNote | null> {
    try {
      const line = await readLine(this.disk, this.directory, MEMBER_NOTE_NAME);
      return line === null ? null : parseNote(line);
    } catch (error) {
      if (error instanceof StorageError) return null;
      throw error;
    }
  }

  /** Resolves when the note is durable. */
  write(note: MemberNote): Promise<void> {
    return writeLine(this.disk, this.directory, MEMBER_NOTE_NAME, formatNote(note));
  }
}

function formatNote({ serverId, servers }: MemberNote): string {
  const words = Array.from(servers, ([id, hosts]) => `${id}=${hosts.join(',')}`);
  return `server ${serverId} of ${words.join(' ')}`;
}

function parseNote(line: string): MemberNote | null {
  const match = /^server (\d+) of (\d+=\S+(?: \d+=\S+)*)$/.exec(line);
  if (match === null) return null;
  const [, serverId, words] = match as unknown as readonly [string, string, string];
  const servers = new Map<number, readonly string[]>();
  for (const word of words.split(' ')) {
    const at = word.indexOf('=');
    servers.set(Number(word.slice(0, at)), word.slice(at + 1).split(','));
  }
  return { serverId: Number(serverId), servers };
}
