import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError, type Acl } from '@aviary/client';
import type { Log } from '@aviary/foundation';
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

/** How one configuration is read. */
export interface WatchOptions<T> {
  /**
   * What lets data pass, and makes the value of them: a Standard Schema, synchronous or not.
   * Without one whatever can be parsed passes.
   */
  readonly schema?: ConfigSchema<T> | undefined;
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
  readonly fallback?: ConfigFallback<T> | undefined;
}

/** How a version is published. */
export interface PublishOptions {
  /** What must let the value pass before it is written. */
  readonly schema?: ConfigSchema<unknown> | undefined;
  /** Default: `json`. */
  readonly format?: TextFormat | undefined;
  /**
   * The version that the node must have; -1: there must be none yet. Unset: whichever it has is
   * replaced.
   */
  readonly expectedVersion?: number | undefined;
  /** The longest wait, in milliseconds. Unset: no limit. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which version comes back. */
export interface RollbackOptions extends Omit<PublishOptions, 'expectedVersion'> {
  /** Its number. Unset: the newest that is older than what is there now. */
  readonly to?: number | undefined;
}

export function positive(name: string, given: number | undefined, otherwise: number): number {
  const value = given ?? otherwise;
  if (typeof value === 'number' && value >= 1) return value;
  throw new InvalidArgumentError(`${name} must be a number from 1 up, not ${String(given)}`);
}

export function checkExpected(expected: number | undefined, path: string): void {
  if (expected === undefined) return;
  if (Number.isInteger(expected) && expected >= -1) return;
  throw new InvalidArgumentError(
    `publish ${path}: expectedVersion must be a version, or -1 for none, not ${String(expected)}`,
  );
}

export function checkWatchOptions(options: WatchOptions<unknown>, path: string): void {
  const { schema, format, layers, fallback } = options;
  const where = `the configuration ${path}`;
  if (schema !== undefined) checkSchema(schema, where);
  if (format !== undefined && !FORMATS.includes(format)) {
    throw new InvalidArgumentError(`${where}: there is no format "${format as string}"`);
  }
  if (layers !== undefined && (format !== 'properties' || layers.length === 0)) {
    throw new InvalidArgumentError(
      `${where}: layers are for the format "properties", and at least one`,
    );
  }
  if (fallback === undefined || fallback === 'last-good' || fallback === 'fail') return;
  if ((fallback as Partial<typeof fallback> | null)?.default !== undefined) return;
  throw new InvalidArgumentError(
    `${where}: fallback must be "last-good", "fail" or { default: value }`,
  );
}

const FORMATS: readonly string[] = ['json', 'yaml', 'properties'] satisfies ConfigFormat[];

export function checkTextFormat(format: string | undefined, path: string): void {
  if (format === undefined || format === 'json' || format === 'yaml') return;
  const problem =
    format === 'properties'
      ? 'properties are published by writing to their nodes, as with zk.transaction()'
      : `there is no format "${format}"`;
  throw new InvalidArgumentError(`publish ${path}: ${problem}`);
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
