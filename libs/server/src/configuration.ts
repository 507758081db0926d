import { FRAME_BYTES_MAX_DEFAULT, parseProperties } from '@aviary/protocol';
import { ConfigurationError } from './configuration-error.js';
import {
  EnsembleLines,
  clientPlaceOf,
  type EnsembleSettings,
  type GivenClientAddress,
} from './ensemble-configuration.js';
import { serverOptions, type ServerOptions } from './options.js';
import {
  MEMBER_SETTINGS,
  SETTINGS,
  environmentName,
  type Apply,
  type OptionsDraft,
} from './settings.js';
import { UNOFFERED_SETTINGS, remarkOn, type UnofferedSetting } from './unoffered-settings.js';

/** A configuration that was read. */
export interface Configuration {
  readonly options: ServerOptions;
  /** The ensemble that the server is to be a member of; null: it stands alone. */
  readonly ensemble: EnsembleSettings | null;
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
const KNOWN_SETTINGS = [...SETTINGS.keys(), ...MEMBER_SETTINGS.keys(), ...UNOFFERED_SETTINGS];

class Reading {
  readonly draft: OptionsDraft = { limits: {}, member: {} };
  readonly lines = new EnsembleLines();
  private readonly remarks: (string | UnofferedSetting)[] = [];
  private readonly given = new Set<string>();

  apply(key: string, value: string, where: string): void {
    this.given.add(key);
    const apply = SETTINGS.get(key) ?? MEMBER_SETTINGS.get(key);
    if (EnsembleLines.has(key)) this.lines.take(key, value, where);
    else if (apply === undefined) this.remarks.push({ key, value, where });
    else this.put(apply, key, value, where);
  }

  private put(apply: Apply, key: string, value: string, where: string): void {
    const problem = apply(this.draft, value);
    if (problem !== null) {
      throw new ConfigurationError(`${where}: ${key} ${problem}, and is "${value}"`);
    }
    if (MEMBER_SETTINGS.has(key)) this.remarks.push({ key, value, where });
  }

  /** What holds unless something else is said. */
  applyDefault(key: string, value: string): void {
    SETTINGS.get(key)?.(this.draft, value);
  }

  remark(sentence: string): void {
    this.remarks.push(sentence);
  }

  /** `clientPort` and its address, where they are said and not only defaults. */
  get client(): GivenClientAddress {
    const { clientAddress, clientPort } = this.draft;
    return {
      ...(this.given.has('clientPortAddress') && clientAddress !== undefined
        ? { address: clientAddress }
        : {}),
      ...(this.given.has('clientPort') && clientPort !== undefined ? { port: clientPort } : {}),
    };
  }

  /** What is to be said of all that was read, in that order. */
  warnings(isMember: boolean): string[] {
    const remarks = this.remarks.map((remark) =>
      typeof remark === 'string' ? remark : remarkOn(remark, isMember),
    );
    return [...remarks.filter((remark) => remark !== null), ...this.lines.warnings];
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
  for (const [key, value] of Object.entries(defaults)) reading.applyDefault(key, value);
  // Unless an address is given ZooKeeper listens on all of them.
  if (source !== null) reading.draft.clientAddress = null;
  if (source !== null) readFile(reading, source);
  readEnvironment(reading, environment);
  const { settings, lone } = reading.lines.finish(reading.draft.member, reading.client);
  const isMember = settings !== null;
  if (lone !== null && reading.client.port === undefined) {
    Object.assign(reading.draft, clientPlaceOf(lone));
  }
  return {
    options: complete(reading),
    ensemble: settings,
    warnings: reading.warnings(isMember),
  };
}

function readFile(reading: Reading, { name, text }: ConfigurationSource): void {
  const seen = new Set<string>();
  for (const { key, value, line } of parseProperties(text)) {
    const setting = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
    const where = `${name} line ${line}`;
    reading.apply(setting, value, where);
    if (seen.has(setting)) {
      reading.remark(`${where}: ${setting} stands twice; this value is the one that holds.`);
    }
    seen.add(setting);
  }
}

function readEnvironment(
  reading: Reading,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const settings = new Map(KNOWN_SETTINGS.map((key) => [environmentName(key), key]));
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || value === undefined) continue;
    const key = settings.get(name) ?? ensembleKeyOf(name);
    if (key === undefined) reading.remark(`environment: ${name} is not a setting.`);
    else reading.apply(key, value, `environment ${name}`);
  }
}

/** `server.3` for `AVIARY_SERVER_3`. */
function ensembleKeyOf(name: string): string | undefined {
  const [, kind = '', id = ''] = /^AVIARY_(SERVER|GROUP|WEIGHT)_(\d+)$/.exec(name) ?? [];
  return kind === '' ? undefined : `${kind.toLowerCase()}.${id}`;
}

function complete({ draft }: Reading): ServerOptions {
  if (draft.dataDir === undefined) {
    throw new ConfigurationError(
      `dataDir is not set: name the directory for snapshots and logs, in the file or as ${environmentName('dataDir')}`,
    );
  }
  if (draft.minSessionTimeoutMs === -1) delete draft.minSessionTimeoutMs;
  if (draft.maxSessionTimeoutMs === -1) delete draft.maxSessionTimeoutMs;
  const { isAuthEnforced = false, member: _member, ...given } = draft;
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
