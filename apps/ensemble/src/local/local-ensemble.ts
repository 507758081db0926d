import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryClaim } from '@aviary/host';
import { ConfigurationError, readConfiguration, type ServerOptions } from '@aviary/server';
import type { Environment } from '../configured.js';

/** The ports of ZooKeeper's own examples, 2888 and 3888, are as far from 2181. */
const QUORUM_PORT_OFFSET = 707;
const ELECTION_PORT_OFFSET = 1707;
const PORT_MAX = 65_535;
const PEER_ADDRESS = '127.0.0.1';
const INIT_LIMIT_TICKS = 10;
const SYNC_LIMIT_TICKS = 5;
/** Where servers keep their files within their directories. */
const FILES = 'version-2';

/** Settings that all members would have in common, and that each needs for itself. */
const OWN_SETTINGS = [
  'AVIARY_DATA_DIR',
  'AVIARY_DATA_LOG_DIR',
  'AVIARY_CLIENT_PORT',
  'AVIARY_CLIENT_PORT_ADDRESS',
] as const;

/** A member of the local ensemble, and where it lives. */
export interface MemberPlace {
  readonly id: number;
  /** Where clients on this machine connect. */
  readonly address: string;
  readonly dataDir: string;
  readonly dataLogDir: string;
  /** Its configuration, which is written when the ensemble is prepared. */
  readonly configPath: string;
  readonly logPath: string;
}

/** The environment in which members run: without what each has of its own. */
export function environmentOfMembers(environment: Environment): Environment {
  const own: readonly string[] = OWN_SETTINGS;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !own.includes(name)));
}

/** Several members on one machine: where each lives, and how it is configured. */
export class LocalEnsemble {
  readonly places: readonly MemberPlace[];

  /**
   * @param base What a server that stands alone would be made with: its directories hold those of the
   * members, its port is the first of theirs.
   * @throws {ConfigurationError}
   */
  constructor(
    private readonly base: ServerOptions,
    members: number,
  ) {
    const { clientPort } = base;
    const portMax = PORT_MAX - ELECTION_PORT_OFFSET - (members - 1);
    if (clientPort < 1 || clientPort > portMax) {
      throw new ConfigurationError(
        `clientPort must be from 1 to ${portMax} here, since the ports of ${members} members are counted from it, and is ${clientPort}`,
      );
    }
    this.places = Array.from({ length: members }, (_, index) => this.place(index + 1));
  }

  /** All addresses for clients, as a connection string. */
  get servers(): string {
    return this.places.map(({ address }) => address).join(',');
  }

  /**
   * Writes what the members are configured by.
   *
   * @throws {ConfigurationError} There is data of an ensemble of another size.
   */
  prepare(): void {
    this.refuseOtherSize();
    for (const place of this.places) {
      mkdirSync(place.dataDir, { recursive: true });
      writeFileSync(place.configPath, this.configurationOf(place));
      const myid = join(place.dataDir, 'myid');
      if (!existsSync(myid)) writeFileSync(myid, `${place.id}\n`);
    }
  }

  /** The `zoo.cfg` of a member. */
  configurationOf({ dataDir, dataLogDir }: MemberPlace): string {
    const lines = [
      '# Written by npm start whenever it starts this ensemble.',
      `dataDir=${escaped(dataDir)}`,
      ...(dataLogDir === dataDir ? [] : [`dataLogDir=${escaped(dataLogDir)}`]),
      `tickTime=${this.base.tickTimeMs}`,
      `initLimit=${INIT_LIMIT_TICKS}`,
      `syncLimit=${SYNC_LIMIT_TICKS}`,
      ...this.places.map((place) => this.serverLine(place)),
      '',
    ];
    return lines.join('\n');
  }

  /** Removes the data of all members, also of those of a larger ensemble. Nobody may be using it. */
  async clear(): Promise<void> {
    const { dataDir, dataLogDir } = this.base;
    const parents = [...new Set([dataDir, dataLogDir])];
    const homes = parents.flatMap((parent) =>
      memberIdsIn(parent).map((id) => join(parent, String(id))),
    );
    await clearFiles(homes);
    // They tell of the size of an ensemble that is no more.
    for (const home of homes) rmSync(configPathOf(home), { force: true });
  }

  private place(id: number): MemberPlace {
    const { clientAddress, clientPort, dataDir, dataLogDir } = this.base;
    const home = join(dataDir, String(id));
    const isEverywhere = clientAddress === null || /^[0:.]+$/.test(clientAddress);
    const host = isEverywhere ? PEER_ADDRESS : bracketed(clientAddress);
    return {
      id,
      address: `${host}:${clientPort + id - 1}`,
      dataDir: home,
      dataLogDir: dataLogDir === dataDir ? home : join(dataLogDir, String(id)),
      configPath: configPathOf(home),
      logPath: join(home, 'member.log'),
    };
  }

  private serverLine({ id }: MemberPlace): string {
    const port = this.base.clientPort + id - 1;
    const peers = `${PEER_ADDRESS}:${port + QUORUM_PORT_OFFSET}:${port + ELECTION_PORT_OFFSET}`;
    return `server.${id}=${peers};${bracketed(this.base.clientAddress ?? '0.0.0.0')}:${port}`;
  }

  /**
   * Most of the old servers have every write that was acknowledged; most of the new ones may be
   * others, who have not.
   */
  private refuseOtherSize(): void {
    const { dataDir } = this.base;
    for (const id of memberIdsIn(dataDir)) {
      const size = sizeIn(configPathOf(join(dataDir, String(id))));
      if (size !== null && size !== this.places.length) {
        throw new ConfigurationError(
          `${dataDir} has the data of ${size} members: start them with --members ${size}, or remove their data with --fresh`,
        );
      }
    }
  }
}

/**
 * Removes what servers keep in their directories.
 *
 * @throws {DirectoryTakenError} One of them is being used; nothing was removed.
 */
export async function clearFiles(directories: readonly string[]): Promise<void> {
  const claims: DirectoryClaim[] = [];
  try {
    const used = directories.filter(hasFiles);
    for (const directory of used) claims.push(await DirectoryClaim.take(directory));
    for (const directory of used) rmSync(join(directory, FILES), { recursive: true, force: true });
  } finally {
    for (const claim of claims) await claim.release();
  }
}

/** Whether a server has run in a directory. */
export function hasFiles(directory: string): boolean {
  return existsSync(join(directory, FILES));
}

function memberIdsIn(directory: string): number[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) => /^[1-9]\d*$/.test(name));
  return names.map(Number).sort((a, b) => a - b);
}

/** Of how many servers a configuration tells; null if it tells nothing. */
function sizeIn(configPath: string): number | null {
  try {
    const text = readFileSync(configPath, 'utf8');
    const { ensemble } = readConfiguration({ name: configPath, text }, {});
    return ensemble?.ensemble.members.size ?? null;
  } catch {
    // It is not there, or somebody has made something else of it: it is written anew.
    return null;
  }
}

function configPathOf(home: string): string {
  return join(home, 'zoo.cfg');
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** As the value of a property: a backslash, as in paths of Windows, stands twice. */
function escaped(path: string): string {
  return path.replaceAll('\\', '\\\\');
}
