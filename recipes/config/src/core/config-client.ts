import { InvalidArgumentError, type Acl, type CallOptions, type ZooKeeper } from '@aviary/client';
import { TimeLimit } from '@aviary/coordination';
import { silentLog, type Log } from '@aviary/foundation';
import { ConfigFeed } from './config-feed.js';
import { ConfigClosedError, ConfigRejectedError, type ConfigVersion } from './config-errors.js';
import { readHistory, trimHistory, type PublishedVersion } from './config-history.js';
import { checkRoots, placesOf, type ConfigPlaces } from './config-places.js';
import { DocumentError, encodeValue, parseBytes, type TextFormat } from './document.js';
import { LiveConfig, type ConfigFallback } from './live-config.js';
import { Publication } from './publication.js';
import { checkSchema, validate, type ConfigSchema } from './schema.js';
import { nodeSource, type RawConfig } from './source.js';

/** How a {@link ConfigClient} behaves. */
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
  /** Where rejections are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** How one configuration is read. */
export interface WatchOptions<T> {
  /**
   * What lets data pass, and makes the value of them: a Standard Schema, synchronous or not. Without
   * one whatever can be parsed passes.
   */
  readonly schema?: ConfigSchema<T> | undefined;
  /** Default: `json`. */
  readonly format?: TextFormat | undefined;
  /** What stands in when there is no valid first value. Default: `last-good`. */
  readonly fallback?: ConfigFallback<T> | undefined;
}

/** How a version is published. */
export interface PublishOptions<T> {
  /** What must let the value pass before it is written. */
  readonly schema?: ConfigSchema<T> | undefined;
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
export interface RollbackOptions<T> extends Omit<PublishOptions<T>, 'expectedVersion'> {
  /** Its number. Unset: the newest that is older than what is there now. */
  readonly to?: number | undefined;
}

const BYTES_MAX = 400_000;
const HISTORY_MAX = 10;
const VALIDATION_MS = 10_000;

interface Watched {
  readonly live: LiveConfig<unknown>;
  readonly options: WatchOptions<unknown>;
}

/**
 * Follows configurations and publishes them, over one client of an ensemble.
 *
 * @example
 * const configs = new ConfigClient(zk, { identity: 'billing-1' });
 * const pricing = configs.watch('pricing', { schema: Pricing });
 * await pricing.ready({ waitMs: 10_000 });
 * pricing.select(({ vat }) => vat).subscribe((vat) => console.log(vat));
 */
export class ConfigClient {
  private readonly zk: ZooKeeper;
  private readonly options: ConfigClientOptions;
  private readonly root: string;
  private readonly recordsRoot: string;
  private readonly bytesMax: number;
  private readonly historyMax: number;
  private readonly validationMs: number;
  private readonly log: Log;
  private readonly watched = new Map<string, Watched>();
  /** What begins at {@link start}; null: everything begins at once. */
  private deferred: ConfigFeed<never>[] | null = null;
  private isClosed = false;

  /** @throws {InvalidPathError} @throws {InvalidArgumentError} An option is wrong. */
  constructor(zk: ZooKeeper, options: ConfigClientOptions = {}) {
    const { root = '/config', recordsRoot = '/config-records', log = silentLog } = options;
    checkRoots(root, recordsRoot);
    this.zk = zk;
    this.options = options;
    this.root = root;
    this.recordsRoot = recordsRoot;
    this.log = log;
    this.bytesMax = positive('bytesMax', options.bytesMax, BYTES_MAX);
    this.historyMax = positive('historyMax', options.historyMax, HISTORY_MAX);
    this.validationMs = positive('validationMs', options.validationMs, VALIDATION_MS);
  }

  /** @internal A client that reads nothing before {@link start}. */
  static deferred(zk: ZooKeeper, options: ConfigClientOptions): ConfigClient {
    const client = new ConfigClient(zk, options);
    client.deferred = [];
    return client;
  }

  /** @internal See {@link deferred}. */
  start(): void {
    const feeds = this.deferred ?? [];
    this.deferred = null;
    for (const feed of feeds) feed.start();
  }

  /** The configurations that are followed. */
  get configs(): readonly LiveConfig<unknown>[] {
    return Array.from(this.watched.values(), ({ live }) => live);
  }

  /**
   * Begins to follow a configuration. It is read in the background: see {@link LiveConfig.ready}.
   *
   * There is one object for each path: who asks again, with the same options, gets the same.
   *
   * @param path Below {@link ConfigClientOptions.root}, or absolute if it begins with a slash.
   * @throws {InvalidPathError} @throws {InvalidArgumentError} The schema is none, or the path is
   * followed already with other options.
   * @throws {ConfigClosedError} This client was closed.
   */
  watch<T = unknown>(path: string, options: WatchOptions<T> = {}): LiveConfig<T> {
    const places = this.placesOf(path);
    if (this.isClosed) throw new ConfigClosedError(places.path, 'watch');
    checkWatchOptions(options, places.path);
    const before = this.watched.get(places.path);
    if (before !== undefined) {
      refuseOthers(before.options, options, places.path);
      return before.live as unknown as LiveConfig<T>;
    }
    const live = this.follow(places, options);
    this.watched.set(places.path, { live: live as unknown as LiveConfig<unknown>, options });
    return live;
  }

  /**
   * Writes a new version, if `options.schema` lets the value pass, and keeps it in the history.
   *
   * It is applied once or not at all, also over broken connections. The node and what is missing above it
   * are made; its first version is 1.
   *
   * @throws {ConfigRejectedError} The value does not pass, or is too long. Nothing was written.
   * @throws {ConfigConflictError} The node does not have `expectedVersion`. Nothing was written.
   * @throws {DeadlineExceededError} @throws {AbortedError} With outcome `unknown` the time was over
   * before it was known whether it had been applied.
   * @throws {NoAuthError} and other refusals of the server. @throws {InvalidPathError}
   */
  async publish<T>(
    path: string,
    value: T,
    options: PublishOptions<T> = {},
  ): Promise<ConfigVersion> {
    const places = this.placesOf(path);
    const data = this.encode(places.path, value, options.format ?? 'json');
    return this.publishBytes(places, data, options);
  }

  /**
   * Publishes an earlier version again, as a new one.
   *
   * @throws {ConfigRejectedError} There is no such version, or the schema does not let it pass.
   * @throws {ConfigConflictError} Somebody published meanwhile.
   * @see publish for the other errors.
   */
  async rollback<T>(path: string, options: RollbackOptions<T> = {}): Promise<ConfigVersion> {
    const places = this.placesOf(path);
    const { to } = options;
    const limit = new TimeLimit(this.zk.clock, options);
    const stat = await this.zk.exists(places.path, limit.rest());
    for await (const entry of readHistory(this.zk, places.history, () => limit.rest())) {
      const { number, zxid } = entry.version;
      const isWanted = to === undefined ? stat === null || zxid < stat.mzxid : number === to;
      if (!isWanted) continue;
      const { signal } = options;
      const rest = { ...options, expectedVersion: stat?.version ?? -1 };
      return this.publishBytes(places, entry.data, { ...rest, waitMs: limit.restMs, signal });
    }
    const what = to === undefined ? 'no earlier version' : `no version ${to}`;
    throw rejection(places.path, 'rollback', `${what} in the history`);
  }

  /**
   * The versions that were published, newest first; at most {@link ConfigClientOptions.historyMax}.
   *
   * @throws what the client's reads throw.
   */
  async history(path: string, options: CallOptions = {}): Promise<readonly PublishedVersion[]> {
    const versions: PublishedVersion[] = [];
    const { history } = this.placesOf(path);
    for await (const one of readHistory(this.zk, history, () => options)) versions.push(one);
    return versions;
  }

  /** The path as the client of the ensemble knows it. @throws {InvalidPathError} */
  pathOf(path: string): string {
    return this.placesOf(path).path;
  }

  /** Follows nothing any more, and resolves when nothing of it is left at the servers. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.configs.map((live) => live.close()));
  }

  private placesOf(path: string): ConfigPlaces {
    const { root, recordsRoot } = this;
    return placesOf(path, { root, recordsRoot });
  }

  private follow<T>(places: ConfigPlaces, options: WatchOptions<T>): LiveConfig<T> {
    const { zk, log, bytesMax, validationMs } = this;
    const { path } = places;
    const { schema = null, format = 'json', fallback = 'last-good' } = options;
    const live = new LiveConfig<T>({
      path,
      fallback,
      clock: zk.clock,
      onClose: () => {
        feed.stop();
        this.watched.delete(path);
        return Promise.resolve();
      },
    });
    const feed = new ConfigFeed<T>({
      live,
      source: nodeSource(zk, path, { format, bytesMax }),
      schema,
      fallback,
      validationMs,
      clock: zk.clock,
      log,
      history: () => this.earlier(places, format),
      onReport: () => undefined,
    });
    if (this.deferred === null) feed.start();
    else this.deferred.push(feed as unknown as ConfigFeed<never>);
    return live;
  }

  /** What was published before, as data to begin with. */
  private async *earlier(
    places: ConfigPlaces,
    format: TextFormat,
  ): AsyncGenerator<RawConfig, void, undefined> {
    for await (const { version, data } of readHistory(this.zk, places.history)) {
      yield { version, parse: () => parseBytes(data, format, this.bytesMax) };
    }
  }

  private encode(path: string, value: unknown, format: TextFormat): Buffer {
    try {
      return encodeValue(value, format, this.bytesMax);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      throw rejection(path, 'publish', error.message, error.field);
    }
  }

  private async publishBytes<T>(
    places: ConfigPlaces,
    data: Buffer,
    options: PublishOptions<T>,
  ): Promise<ConfigVersion> {
    const { zk, bytesMax, validationMs, historyMax } = this;
    const { schema, format = 'json', expectedVersion, waitMs, signal } = options;
    const { path } = places;
    if (this.isClosed) throw new ConfigClosedError(path, 'publish');
    checkExpected(expectedVersion, path);
    const limit = new TimeLimit(zk.clock, { waitMs, signal });
    if (schema !== undefined) {
      checkSchema(schema, path);
      // As those who follow it will read it, which may differ from what was given.
      const document = parseBytes(data, format, bytesMax);
      const limitMs = Math.min(validationMs, limit.restMs);
      const verdict = await validate(schema, document, { clock: zk.clock, limitMs });
      if (verdict.kind === 'invalid') {
        const { issues } = verdict;
        throw new ConfigRejectedError(path, { operation: 'publish', issues, version: null });
      }
    }
    const { acl } = this.options;
    const terms = { zk, places, data, acl, expected: expectedVersion };
    const rest = { waitMs: limit.restMs, signal };
    const version = await new Publication({ ...terms, ...rest }).run();
    try {
      await trimHistory(zk, places.history, historyMax, () => limit.rest());
    } catch (error) {
      this.log.warn(`the history of the configuration ${path} cannot be trimmed`, { error });
    }
    return version;
  }
}

function rejection(
  path: string,
  operation: string,
  message: string,
  field = '',
): ConfigRejectedError {
  return new ConfigRejectedError(path, {
    operation,
    issues: [{ path: field, message }],
    version: null,
  });
}

function positive(name: string, given: number | undefined, otherwise: number): number {
  const value = given ?? otherwise;
  if (typeof value === 'number' && value >= 1) return value;
  throw new InvalidArgumentError(`${name} must be a number from 1 up, not ${String(given)}`);
}

function checkExpected(expected: number | undefined, path: string): void {
  if (expected === undefined) return;
  if (Number.isInteger(expected) && expected >= -1) return;
  throw new InvalidArgumentError(
    `publish ${path}: expectedVersion must be a version, or -1 for none, not ${String(expected)}`,
  );
}

function checkWatchOptions(options: WatchOptions<unknown>, path: string): void {
  const { schema, format, fallback } = options;
  const where = `the configuration ${path}`;
  if (schema !== undefined) checkSchema(schema, where);
  if (format !== undefined && !FORMATS.includes(format)) {
    throw new InvalidArgumentError(`${where}: there is no format "${format as string}"`);
  }
  if (fallback === undefined || fallback === 'last-good' || fallback === 'fail') return;
  if ((fallback as Partial<typeof fallback> | null)?.default !== undefined) return;
  throw new InvalidArgumentError(
    `${where}: fallback must be "last-good", "fail" or { default: value }`,
  );
}

const FORMATS: readonly string[] = ['json', 'yaml'] satisfies TextFormat[];

function refuseOthers(
  before: WatchOptions<unknown>,
  now: WatchOptions<unknown>,
  path: string,
): void {
  for (const name of ['schema', 'format', 'fallback'] as const) {
    if (before[name] === now[name]) continue;
    if (name === 'fallback' && JSON.stringify(before[name]) === JSON.stringify(now[name])) continue;
    throw new InvalidArgumentError(
      `the configuration ${path} is followed already, with another ${name}: ` +
        'use one definition for both',
    );
  }
}
