import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { ConfigurationError, readConfiguration, type Configuration } from '@aviary/server';

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

/**
 * The configuration that the command line and the environment ask for; directories are absolute.
 *
 * @throws {ConfigurationError} With one line for the person who started it.
 */
export function configured(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Configuration {
  const [path, ...rest] = args;
  if (rest.length > 0 || path?.startsWith('-') === true) throw new ConfigurationError(USAGE);
  const configuration =
    path === undefined
      ? readConfiguration(null, environment, DEFAULTS)
      : readConfiguration({ name: basename(path), text: readText(path) }, environment);
  const { options, warnings } = configuration;
  const dataDir = resolve(options.dataDir);
  const dataLogDir = resolve(options.dataLogDir);
  return { options: { ...options, dataDir, dataLogDir }, warnings };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`cannot read ${path}: ${code ?? String(error)}. ${USAGE}`);
  }
}
