import { inspect, isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError, type Acl } from '@aviary/client';
import type { Log } from '@aviary/foundation';
import type { ConfigVersion } from './config-errors.js';
import type { TextFormat } from './document.js';
import type { ConfigFallback } from './live-config.js';
import { checkSchema, type ConfigSchema } from './schema.js';

/** How the data of a configuration are written. */
export type ConfigFormat = TextFormat | 'properties';

/** How a `ConfigClient` behaves. */
export interface ConfigClientOptions {
  /** Where paths that do not begin with a slash stand. Default: `/config`. */
  readonly root?: string | undefined;
  /** Where acknowledgements and published versions are kept. Default: `/config-records`. */
  readonly recordsRoot?: string | undefined;
  /** Who this process is, for operators: one line. Default: the process id. */
  readonly identity?: string | undefined;
  /** Who may do what with the nodes that are made. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Data of more bytes are rejected, and not published. Default: 400,000. */
  readonly bytesMax?: number | undefined;
  /** How many published versions of each configuration are kept. Default: 10; at least 1. */
  readonly historyMax?: number | undefined;
  /** How long a schema may take, in milliseconds. Default: 10,000. */
  readonly validationMs?: number | undefined;
  /**
   * Whether this instance says, in an ephemeral node for each configuration that it follows, which
   * version it took or rejected. Default: true.
   */
  readonly acknowledge?: boolean | undefined;
  /** Where rejections are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/**
 * How one configuration is read.
 *
 * @typeParam T Its value.
 * @typeParam Data What the schema takes: a default is written as data are.
 */
export interface WatchOptions<T, Data = unknown> {
  /**
   * What lets data pass, and makes the value of them: a Standard Schema, synchronous or not.
   * Without one whatever can be parsed passes.
   */
  readonly schema?: ConfigSchema<T, Data> | undefined;
  /**
   * `json` (the default) and `yaml`: the data of one node. `properties`: a tree, each leaf one of
   * them.
   */
  readonly format?: ConfigFormat | undefined;
  /**
   * For `properties`: the trees that make up the configuration, from the least specific to the
   * most. Default: the one at its path. See `springLayers`.
   */
  readonly layers?: readonly string[] | undefined;
  /** What stands in when there is no valid first value. Default: `last-good`. */
  readonly fallback?: ConfigFallback<Data> | undefined;
}

/** How a version is published. */
export interface PublishOptions {
  /** What must let the value pass before it is written. */
  readonly schema?: ConfigSchema<unknown> | undefined;
  /**
   * `json` (the default) and `yaml`: the data of one node. `properties`: a tree, in the place of all
   * that is below the path.
   */
  readonly format?: ConfigFormat | undefined;
  /**
   * The version that must be there, as of `LiveConfig.version`, or for a node its number; -1: there
   * must be none yet. Unset: whatever is there is replaced.
   */
  readonly expectedVersion?: number | ConfigVersion | undefined;
  /** The longest wait, in milliseconds. Unset: no limit. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which version comes back. */
export interface RollbackOptions extends Omit<PublishOptions, 'expectedVersion'> {
  /**
   * Its number, or its zxid, which trees have, too. Unset: the newest that is older than what is there
   * now; where that came back by a rollback, older than the version that came back.
   */
  readonly to?: number | bigint | undefined;
}

export function positive(name: string, given: number | undefined, otherwise: number): number {
  const value = given ?? otherwise;
  if (typeof value === 'number' && value >= 1) return value;
  throw new InvalidArgumentError(`${name} must be a number from 1 up, not ${String(given)}`);
}

export function checkWait(operation: string, path: string, waitMs: number | undefined): void {
  if (waitMs === undefined || (typeof waitMs === 'number' && waitMs >= 0)) return;
  throw new InvalidArgumentError(
    `${operation} ${path}: waitMs must be a number of milliseconds from 0 up, not ${String(waitMs)}`,
  );
}

export function checkExpected(
  expected: PublishOptions['expectedVersion'],
  { path, format }: { readonly path: string; readonly format: ConfigFormat },
): void {
  if (expected === undefined || expected === -1) return;
  if (typeof expected === 'object' && typeof Reflect.get(Object(expected), 'zxid') === 'bigint')
    return;
  const isNumber = typeof expected === 'number' && Number.isInteger(expected) && expected >= 0;
  if (isNumber && format !== 'properties') return;
  const what = isNumber
    ? 'a tree has versions without numbers, such as that of a LiveConfig, not'
    : 'it must be a version, its number, or -1 for none, not';
  throw new InvalidArgumentError(`publish ${path}: expectedVersion: ${what} ${inspect(expected)}`);
}

export function checkWatchOptions(options: WatchOptions<unknown>, path: string): void {
  const { schema, format, layers, fallback } = options;
  const where = `the configuration ${path}`;
  if (schema !== undefined) checkSchema(schema, where);
  if (format !== undefined && !FORMATS.includes(format)) {
    throw new InvalidArgumentError(`${where}: there is no format "${format as string}"`);
  }
  const isList = Array.isArray(layers) && layers.length > 0;
  if (layers !== undefined && (format !== 'properties' || !isList)) {
    throw new InvalidArgumentError(
      `${where}: layers are for the format "properties", and a list of at least one path`,
    );
  }
  if (fallback === undefined || fallback === 'last-good' || fallback === 'fail') return;
  if ((fallback as Partial<typeof fallback> | null)?.default !== undefined) return;
  throw new InvalidArgumentError(
    `${where}: fallback must be "last-good", "fail" or { default: value }`,
  );
}

const FORMATS: readonly string[] = ['json', 'yaml', 'properties'] satisfies ConfigFormat[];

export function checkPublishFormat(format: string | undefined, path: string): void {
  if (format === undefined || FORMATS.includes(format)) return;
  throw new InvalidArgumentError(`publish ${path}: there is no format "${format}"`);
}

export function refuseOthers(
  before: WatchOptions<unknown>,
  now: WatchOptions<unknown>,
  path: string,
): void {
  for (const name of ['schema', 'format', 'layers', 'fallback'] as const) {
    if (before[name] === now[name]) continue;
    if (name !== 'schema' && isDeepStrictEqual(before[name], now[name])) continue;
    throw new InvalidArgumentError(
      `the configuration ${path} is followed already, with another ${name}: ` +
        'use one definition for both',
    );
  }
}
