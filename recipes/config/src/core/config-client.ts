import { NEVER, concat, map, of, type Observable } from 'rxjs';
import type { CallOptions, ZooKeeper } from '@aviary/client';
import { TimeLimit } from '@aviary/coordination';
import { silentLog, type Log } from '@aviary/foundation';
import { Acknowledgement } from './acknowledgement.js';
import { ConfigFeed } from './config-feed.js';
import { ConfigClosedError, ConfigRejectedError, type ConfigVersion } from './config-errors.js';
import { readHistory, trimHistory, type PublishedVersion } from './config-history.js';
import {
  checkExpected,
  checkTextFormat,
  checkWatchOptions,
  positive,
  refuseOthers,
  type ConfigClientOptions,
  type ConfigFormat,
  type PublishOptions,
  type RollbackOptions,
  type WatchOptions,
} from './config-options.js';
import { checkRoots, placesOf, type ConfigPlaces } from './config-places.js';
import { DocumentError, encodeValue, parseBytes, type TextFormat } from './document.js';
import { LiveConfig } from './live-config.js';
import { Publication } from './publication.js';
import { watchRollout, type Rollout } from './rollout.js';
import { checkSchema, validate } from './schema.js';
import { nodeSource, treeSource, type ConfigSource, type RawConfig } from './source.js';

/** A version that was written, and what becomes of it. */
export interface Published {
  readonly version: ConfigVersion;
  /**
   * What the instances that follow the configuration say about this version, now and at every
   * change; instances come and go. Cold; never completes before the client is closed. A newer
   * version counts as this one.
   */
  readonly rollout$: Observable<Rollout>;
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
   * It is applied once or not at all, also over broken connections. The node and what is missing
   * above it are made; its first version is 1.
   *
   * @throws {ConfigRejectedError} The value does not pass, or is too long. Nothing was written.
   * @throws {ConfigConflictError} The node does not have `expectedVersion`. Nothing was written.
   * @throws {DeadlineExceededError} @throws {AbortedError} With outcome `unknown` the time was over
   * before it was known whether it had been applied.
   * @throws {NoAuthError} and other refusals of the server. @throws {InvalidPathError}
   */
  async publish(path: string, value: unknown, options: PublishOptions = {}): Promise<Published> {
    const places = this.placesOf(path);
    checkTextFormat(options.format, places.path);
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
  async rollback(path: string, options: RollbackOptions = {}): Promise<Published> {
    const places = this.placesOf(path);
    checkTextFormat(options.format, places.path);
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

  /**
   * What the instances that follow a configuration say about its newest version, now and at every
   * change. Cold; ends as `watchNode` of the client does.
   *
   * @param options How the version is found, for configurations that this client does not follow.
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  rollout$(
    path: string,
    options: Pick<WatchOptions<unknown>, 'format' | 'layers'> = {},
  ): Observable<Rollout> {
    const places = this.placesOf(path);
    checkWatchOptions(options, places.path);
    const followed = this.watched.get(places.path)?.options;
    const source = this.sourceOf(places, followed ?? options);
    const version$ = source.pipe(map((raw) => raw?.version ?? null));
    return watchRollout(this.zk, places, version$);
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
    const { zk, log, validationMs } = this;
    const { path } = places;
    const { schema = null, format = 'json', fallback = 'last-good' } = options;
    const source = this.sourceOf(places, options);
    const acknowledgement = this.acknowledgementOf(places);
    const live = new LiveConfig<T>({
      path,
      fallback,
      clock: zk.clock,
      onClose: () => {
        feed.stop();
        this.watched.delete(path);
        return acknowledgement?.close() ?? Promise.resolve();
      },
    });
    const feed = new ConfigFeed<T>({
      live,
      source,
      schema,
      fallback,
      validationMs,
      clock: zk.clock,
      log,
      history: () => this.earlier(places, format),
      onReport: (report) => acknowledgement?.report(report),
    });
    if (this.deferred === null) feed.start();
    else this.deferred.push(feed as unknown as ConfigFeed<never>);
    return live;
  }

  private sourceOf(
    { path }: ConfigPlaces,
    { format = 'json', layers = [path] }: Pick<WatchOptions<unknown>, 'format' | 'layers'>,
  ): ConfigSource {
    const { zk, bytesMax } = this;
    if (format !== 'properties') return nodeSource(zk, path, { format, bytesMax });
    return treeSource(
      zk,
      layers.map((layer) => this.placesOf(layer).path),
      bytesMax,
    );
  }

  private acknowledgementOf({ acks: directory }: ConfigPlaces): Acknowledgement | null {
    const { zk, log } = this;
    const { acknowledge = true, identity = `${process.pid}`, acl } = this.options;
    return acknowledge ? new Acknowledgement({ zk, directory, identity, acl, log }) : null;
  }

  /** What was published before, as data to begin with. */
  private async *earlier(
    places: ConfigPlaces,
    format: ConfigFormat,
  ): AsyncGenerator<RawConfig, void, undefined> {
    if (format === 'properties') return;
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

  private async publishBytes(
    places: ConfigPlaces,
    data: Buffer,
    options: PublishOptions,
  ): Promise<Published> {
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
    return { version, rollout$: watchRollout(zk, places, concat(of(version), NEVER)) };
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
