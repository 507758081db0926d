import type { EnsembleConfig } from '@aviary/protocol';
import { MEMBER_NOTE_NAME, type DataDirectory, type MemberNote } from '@aviary/storage';
import { ConfigurationError } from '../configuration-error.js';

/**
 * Whose the data of a member is, so that no other member goes on with it: that would take back what
 * the one has promised, and vote with what the other never had.
 *
 * An ensemble has no name of its own. It is taken for the same while at least one server is where it
 * was, whatever else has changed: so servers come, go and move one after the other.
 */
export class DataOwner {
  private readonly own: MemberNote;
  private found: MemberNote | null = null;

  constructor(
    private readonly directory: DataDirectory,
    serverId: number,
    { members }: EnsembleConfig,
  ) {
    const servers = new Map<number, readonly string[]>();
    for (const [id, { addresses }] of members) {
      servers.set(id, [...new Set(addresses.map(({ host }) => host.toLowerCase()))]);
    }
    this.own = { serverId, servers };
  }

  /**
   * Looks whose the data is, before anything is done to it.
   *
   * @throws {ConfigurationError} It is that of another server, or of another ensemble.
   */
  async check(): Promise<void> {
    const found = await this.directory.readMemberNote();
    this.found = found;
    if (found === null) return;
    const { own } = this;
    if (found.serverId !== own.serverId) {
      throw this.refusal(
        `is that of server ${found.serverId}, and this is server ${own.serverId}: ` +
          'correct myid or dataDir',
        'was brought here on purpose, remove it',
      );
    }
    if (!isShared(found, own)) {
      throw this.refusal(
        `is that of another ensemble, of ${wordsOf(found)}, and none of these servers is among ` +
          `${wordsOf(own)}: correct dataDir or the lines server.N`,
        'is right and all servers have new hosts, remove it on each of them',
      );
    }
  }

  /** Notes that it is this member's, as the ensemble now is; once the data was read. */
  async note(): Promise<void> {
    const { found, own } = this;
    if (found !== null && wordsOf(found) === wordsOf(own)) return;
    await this.directory.writeMemberNote(own);
    this.found = own;
  }

  private refusal(whose: string, remedy: string): ConfigurationError {
    const { snapshotDirectory } = this.directory;
    return new ConfigurationError(
      `the data in ${snapshotDirectory} ${whose} (the file ${MEMBER_NOTE_NAME} there says whose it is; ` +
        `if the data ${remedy})`,
    );
  }
}

/** Whether a server has the same number and a host in common. */
function isShared(found: MemberNote, own: MemberNote): boolean {
  for (const [id, hosts] of own.servers) {
    const before = found.servers.get(id) ?? [];
    if (hosts.some((host) => before.includes(host))) return true;
  }
  return false;
}

function wordsOf({ servers }: MemberNote): string {
  return Array.from(servers, ([id, hosts]) => `${id}=${hosts.join(',')}`).join(' ');
}
