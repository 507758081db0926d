import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { NodeDisk } from '@aviary/host';
import type { EnsembleOptions } from '@aviary/nest';
import {
  ConfigurationError,
  memberOptions,
  readConfiguration,
  type EnsembleSettings,
  type ServerOptions,
} from '@aviary/server';
import { StorageError, readServerId } from '@aviary/storage';

/** What runs when no file is named: one member for a person at this machine. */
const DEFAULTS = {
  dataDir: './data',
  clientPort: '2181',
  clientPortAddress: '127.0.0.1',
  tickTime: '2000',
} as const;

/** How the program is started, in one line. */
export const USAGE =
  'usage: main.js [zoo.cfg]  (settings can also come from the environment, as AVIARY_CLIENT_PORT for clientPort)';

/** Variables by their names, as of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A member that is configured: with `ensemble` one of several, else one that stands alone. */
export interface Configured {
  readonly options: EnsembleOptions & ServerOptions;
  /** One line for each setting that is not as it may seem. */
  readonly warnings: readonly string[];
}

/**
 * What the command line and the environment ask for; directories are absolute. Which of the servers
 * a member of an ensemble is stands in the file `myid` in its data directory.
 *
 * @throws {ConfigurationError} With one line for the person who started it.
 */
export async function configured(
  args: readonly string[],
  environment: Environment,
): Promise<Configured> {
  const [path, ...rest] = args;
  if (rest.length > 0 || path?.startsWith('-') === true) throw new ConfigurationError(USAGE);
  const { options, ensemble, warnings } =
    path === undefined
      ? readConfiguration(null, environment, DEFAULTS)
      : readConfiguration({ name: basename(path), text: readText(path) }, environment);
  const dataDir = resolve(options.dataDir);
  const dataLogDir = resolve(options.dataLogDir);
  const placed = { ...options, dataDir, dataLogDir };
  if (ensemble === null) return { options: placed, warnings };
  return asMember(placed, ensemble, warnings);
}

async function asMember(
  options: ServerOptions,
  ensemble: EnsembleSettings,
  warnings: readonly string[],
): Promise<Configured> {
  const member = memberOptions(options, ensemble, await serverIdIn(options.dataDir));
  return { options: member.options, warnings: [...warnings, ...member.warnings] };
}

async function serverIdIn(dataDir: string): Promise<number> {
  const disk = new NodeDisk();
  try {
    return await readServerId(disk, dataDir);
  } catch (error) {
    if (error instanceof StorageError) throw new ConfigurationError(error.message);
    throw error;
  } finally {
    disk.close();
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`cannot read ${path}: ${code ?? String(error)}. ${USAGE}`);
  }
}
