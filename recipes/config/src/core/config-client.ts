import { map, type Observable } from 'rxjs';
import type { CallOptions, ZooKeeper } from '@aviary/client';
import { silentLog, type Log } from '@aviary/foundation';
import { Acknowledgement } from './acknowledgement.js';
import { ConfigFeed } from './config-feed.js';
import { ConfigClosedError } from './config-errors.js';
import { readHistory, type PublishedVersion } from './config-history.js';
import {
  checkWatchOptions,
  positive,
  refuseOthers,
  type ConfigClientOptions,
  type PublishOptions,
  type RollbackOptions,
  type WatchOptions,
} from './config-options.js';
import { checkRoots, placesOf, type ConfigPlaces } from './config-places.js';
import { parseBytes } from './document.js';
import { parseRecord } from './tree-content.js';
import { LiveConfig, type ConfigFallback } from './live-config.js';
import { Publisher, type Published } from './publisher.js';
import { watchRollout, type Rollout } from './rollout.js';
import type { ConfigSchema } from './schema.js';
import { nodeSource, treeSource, type ConfigSource, type RawConfig } from './source.js';

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
  private readonly validationMs: number;
  private readonly log: Log;
  private readonly publisher: Publisher;
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
    this.validationMs = positive('validationMs', options.validationMs, VALIDATION_MS);
    const historyMax = positive('historyMax', options.historyMax, HISTORY_MAX);
    const { acl } = options;
    const { bytesMax, validationMs } = this;
    this.publisher = new Publisher({ zk, root, acl, bytesMax, historyMax, validationMs, log });
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
   * @throws {InvalidPathError} @throws {InvalidArgumentError} The schema is none or does not let the
   * default pass, or the path is followed already with other options.
   * @throws {ConfigClosedError} This client was closed.
   */
  watch<T, Data>(
    path: string,
    options: WatchOptions<T, Data> & { readonly schema: ConfigSchema<T, Data> },
  ): LiveConfig<T>;
  watch<T = unknown>(
    path: string,
    options?: WatchOptions<T> & { readonly fallback?: ConfigFallback<T> | undefined },
  ): LiveConfig<T>;
  watch<T>(path: string, options: WatchOptions<T> = {}): LiveConfig<T> {
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
   * With the format `properties` an object becomes a tree, in one transaction: those who follow it see
   * all of it or nothing, and what is not in the object is deleted. What somebody else makes below the
   * path at the very same moment, without `publish`, may stay until the next one.
   *
   * @throws {ConfigRejectedError} The value does not pass, or is too long. Nothing was written.
   * @throws {ConfigConflictError} `expectedVersion` is not there. Nothing was written.
   * @throws {ConfigOutcomeUnknownError} The connection broke, and the history does not say any more
   * whether it was applied.
   * @throws {DeadlineExceededError} @throws {AbortedError} With outcome `unknown` the time was over
   * before it was known whether it had been applied.
   * @throws {NoAuthError} and other refusals of the server. @throws {InvalidPathError}
   */
  async publish(path: string, value: unknown, options: PublishOptions = {}): Promise<Published> {
    return this.publisherAt('publish', path).publish(this.placesOf(path), value, options);
  }

  /**
   * Publishes an earlier version again, as a new one.
   *
   * @param options.format In which it was published, if `schema` is given. Default: `json`.
   * @throws {ConfigRejectedError} There is no such version, or the schema does not let it pass.
   * @throws {ConfigConflictError} Somebody published meanwhile.
   * @see publish for the other errors.
   */
  async rollback(path: string, options: RollbackOptions = {}): Promise<Published> {
    return this.publisherAt('rollback', path).rollback(this.placesOf(path), options);
  }

  /**
   * The versions that were published, newest first; at most {@link ConfigClientOptions.historyMax}.
   *
   * @throws what the client's reads throw.
   */
  async history(path: string, options: CallOptions = {}): Promise<readonly PublishedVersion[]> {
    return this.publisher.history(this.placesOf(path), options);
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
    const { schema = null, fallback = 'last-good' } = options;
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
      history: () => this.earlier(places, options),
      onReport: (report) => acknowledgement?.report(report),
    });
    feed.takeDefault();
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
    { path, history }: ConfigPlaces,
    { format = 'json', layers = [path] }: Pick<WatchOptions<unknown>, 'format' | 'layers'>,
  ): AsyncGenerator<RawConfig, void, undefined> {
    const isTree = format === 'properties';
    // What one layer was is not what the configuration was.
    if (isTree && (layers.length > 1 || this.pathOf(layers[0] ?? '') !== path)) return;
    for await (const { version, data } of readHistory(this.zk, history)) {
      if ((version.number === null) !== isTree) continue;
      yield {
        version,
        parse: () => (isTree ? parseRecord(data) : parseBytes(data, format, this.bytesMax)),
      };
    }
  }

  /** @throws {ConfigClosedError} This client was closed. */
  private publisherAt(operation: string, path: string): Publisher {
    if (this.isClosed) throw new ConfigClosedError(this.pathOf(path), operation);
    return this.publisher;
  }
}
