import { FRAME_BYTES_MAX_DEFAULT, parseProperties } from '@aviary/protocol';
import { serverOptions, type ServerOptions } from './options.js';
import { SETTINGS, environmentName, type OptionsDraft } from './settings.js';

/** A setting has a value that cannot be used. The message is one line that says what to write. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A configuration that was read. */
export interface Configuration {
  readonly options: ServerOptions;
  /** One line for each setting that is passed over. */
  readonly warnings: readonly string[];
}

/** Where a configuration comes from. */
export interface ConfigurationSource {
  /** What the file is called in messages. */
  readonly name: string;
  /** The text of a `zoo.cfg`. */
  readonly text: string;
}

const PREFIX = 'zookeeper.';
const ENVIRONMENT_PREFIX = 'AVIARY_';

/** Settings of ZooKeeper that make no difference to a server that stands alone. */
const IDLE_SETTINGS = new Set([
  'initLimit',
  'syncLimit',
  'electionAlg',
  'connectToLearnerMasterLimit',
  'leaderServes',
  'cnxTimeout',
  'standaloneEnabled',
  'reconfigEnabled',
  'quorumListenOnAllIPs',
]);

/** The same for names that stand for many. */
const IDLE_PREFIXES = ['admin.', 'metricsProvider.', 'quorum.', 'nio.', 'netty.', 'jvm.'];

function isIdle(key: string): boolean {
  return IDLE_SETTINGS.has(key) || IDLE_PREFIXES.some((prefix) => key.startsWith(prefix));
}

class Reading {
  readonly draft: OptionsDraft = { limits: {} };
  readonly warnings: string[] = [];

  apply(key: string, value: string, where: string): void {
    const apply = SETTINGS.get(key);
    if (apply === undefined) {
      this.passOver(key, where);
      return;
    }
    const problem = apply(this.draft, value);
    if (problem !== null) {
      throw new ConfigurationError(`${where}: ${key} ${problem}, and is "${value}"`);
    }
  }

  private passOver(key: string, where: string): void {
    if (/^(server|group|weight)\.\d+$/.test(key)) {
      throw new ConfigurationError(
        `${where}: ${key} describes an ensemble of several members, which this version cannot join; ` +
          'remove the server lines to run one member by itself',
      );
    }
    this.warnings.push(
      isIdle(key)
        ? `${where}: ${key} makes no difference to a server that stands alone.`
        : `${where}: ${key} is not a setting of this server and is passed over.`,
    );
  }
}

/**
 * Reads the configuration of a server: a `zoo.cfg`, and over it the environment, in which every
 * setting can stand as `AVIARY_` and its words in capitals (`tickTime` as `AVIARY_TICK_TIME`).
 *
 * @param defaults What holds where neither says anything.
 * @throws {ConfigurationError} A value cannot be used.
 */
export function readConfiguration(
  source: ConfigurationSource | null,
  environment: Readonly<Record<string, string | undefined>>,
  defaults: Readonly<Record<string, string>> = {},
): Configuration {
  const reading = new Reading();
  for (const [key, value] of Object.entries(defaults)) reading.apply(key, value, 'defaults');
  // Unless an address is given ZooKeeper listens on all of them.
  if (source !== null) reading.draft.clientAddress = null;
  if (source !== null) readFile(reading, source);
  readEnvironment(reading, environment);
  return { options: complete(reading), warnings: reading.warnings };
}

function readFile(reading: Reading, { name, text }: ConfigurationSource): void {
  const seen = new Set<string>();
  for (const { key, value, line } of parseProperties(text)) {
    const setting = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
    const where = `${name} line ${line}`;
    reading.apply(setting, value, where);
    if (seen.has(setting)) {
      reading.warnings.push(`${where}: ${setting} stands twice; this value is the one that holds.`);
    }
    seen.add(setting);
  }
}

function readEnvironment(
  reading: Reading,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const settings = new Map([...SETTINGS.keys()].map((key) => [environmentName(key), key]));
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || value === undefined) continue;
    const key = settings.get(name);
    if (key === undefined) reading.warnings.push(`environment: ${name} is not a setting.`);
    else reading.apply(key, value, `environment ${name}`);
  }
}

function complete({ draft }: Reading): ServerOptions {
  if (draft.dataDir === undefined) {
    throw new ConfigurationError(
      `dataDir is not set: name the directory for snapshots and logs, in the file or as ${environmentName('dataDir')}`,
    );
  }
  if (draft.minSessionTimeoutMs === -1) delete draft.minSessionTimeoutMs;
  if (draft.maxSessionTimeoutMs === -1) delete draft.maxSessionTimeoutMs;
  const { isAuthEnforced = false, ...given } = draft;
  if (isAuthEnforced && given.enforcedAuthSchemes === undefined) {
    throw new ConfigurationError(
      'enforce.auth.enabled is yes, but enforce.auth.schemes is not set: name the schemes, such as digest',
    );
  }
  if (!isAuthEnforced) given.enforcedAuthSchemes = null;
  const options = serverOptions({ ...given, dataLogDir: draft.dataLogDir ?? draft.dataDir });
  const { minSessionTimeoutMs, maxSessionTimeoutMs, limits } = options;
  if (minSessionTimeoutMs > maxSessionTimeoutMs) {
    throw new ConfigurationError(
      `minSessionTimeout (${minSessionTimeoutMs}) must not be above maxSessionTimeout (${maxSessionTimeoutMs})`,
    );
  }
  if (limits.frameBytesMax <= FRAME_BYTES_MAX_DEFAULT) return options;
  // Room for several of the longest, wherever something is held.
  const scale = limits.frameBytesMax / FRAME_BYTES_MAX_DEFAULT;
  const larger = {
    outputHighBytes: Math.ceil(limits.outputHighBytes * scale),
    outputBytesMax: Math.ceil(limits.outputBytesMax * scale),
    deferredBytesMax: Math.ceil(limits.deferredBytesMax * scale),
    outstandingBytesMax: Math.ceil(limits.outstandingBytesMax * Math.max(scale / 16, 1)),
    heldBytesMax: Math.ceil(limits.heldBytesMax * Math.max(scale / 4, 1)),
  };
  return { ...options, limits: { ...limits, ...larger } };
}
