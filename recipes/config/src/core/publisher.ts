import { of, type Observable } from 'rxjs';
import type { Acl, CallOptions, ZooKeeper } from '@aviary/client';
import { TimeLimit } from '@aviary/coordination';
import type { Log } from '@aviary/foundation';
import { ConfigRejectedError, rejection, type ConfigVersion } from './config-errors.js';
import { readHistory, trimHistory, type PublishedVersion } from './config-history.js';
import {
  checkExpected,
  checkPublishFormat,
  checkWait,
  type PublishOptions,
  type RollbackOptions,
} from './config-options.js';
import { checkTreePath, type ConfigPlaces } from './config-places.js';
import { NodeContent, type Content } from './content.js';
import { DocumentError } from './document-error.js';
import { encodeValue, parseBytes } from './document.js';
import { encodeProperties } from './properties.js';
import { Publication } from './publication.js';
import { watchRollout, type Rollout } from './rollout.js';
import { checkSchema, validate } from './schema.js';
import { TreeContent, parseRecord } from './tree-content.js';

/** A version that was written, and what becomes of it. */
export interface Published {
  readonly version: ConfigVersion;
  /**
   * What the instances that follow the configuration say about this version, now and at every
   * change; instances come and go. Cold; completes when the client is closed. A newer version counts
   * as this one. Of a tree that is a layer of others nobody says anything: see `rollout$` of those.
   */
  readonly rollout$: Observable<Rollout>;
}

/** What a {@link Publisher} works with; see `ConfigClientOptions`. */
export interface PublisherTerms {
  readonly zk: ZooKeeper;
  readonly root: string;
  readonly acl: readonly Acl[] | undefined;
  readonly bytesMax: number;
  readonly historyMax: number;
  readonly validationMs: number;
  readonly log: Log;
}

/** A value that can be published. */
interface Draftable {
  readonly content: Content;
  /** As those who follow it will read it, which may differ from what was given. */
  readonly parse: () => unknown;
}

interface RunOptions extends PublishOptions {
  /** As in `PublicationTerms`. */
  readonly restores: bigint | null;
}

/** Publishes configurations, with what must be so before and done after it. */
export class Publisher {
  private readonly terms: PublisherTerms;

  constructor(terms: PublisherTerms) {
    this.terms = terms;
  }

  /** See `ConfigClient.publish`. */
  async publish(places: ConfigPlaces, value: unknown, options: PublishOptions): Promise<Published> {
    const { path } = places;
    const { format = 'json', expectedVersion } = options;
    this.check('publish', places, options);
    checkExpected(expectedVersion, { path, format });
    const { bytesMax } = this.terms;
    const draftable = refusing(path, () =>
      format === 'properties'
        ? this.treeOf(path, value)
        : this.nodeOf(path, encodeValue(value, format, bytesMax), format),
    );
    return this.run(places, draftable, { ...options, restores: null });
  }

  /** See `ConfigClient.rollback`. */
  async rollback(places: ConfigPlaces, options: RollbackOptions): Promise<Published> {
    const { path, history } = places;
    const { to, format = 'json', signal } = options;
    this.check('rollback', places, options);
    const { zk } = this.terms;
    const limit = new TimeLimit(zk.clock, options);
    const isTree = format === 'properties';
    const content = isTree
      ? this.treeOf(path, {}).content
      : this.nodeOf(path, EMPTY, format).content;
    let others = '';
    const { current } = await content.draft(() => limit.rest());
    // What a rollback went back from stays away: who goes back again goes back further.
    let ceiling = current?.zxid ?? null;
    for await (const entry of readHistory(zk, history, () => limit.rest())) {
      const { number, zxid } = entry.version;
      if (zxid === current?.zxid) ceiling = entry.restores ?? zxid;
      if ((number === null) !== isTree) {
        others = isTree
          ? '; others are of nodes'
          : '; others are of trees, of the format "properties"';
        continue;
      }
      const isEarlier = to === undefined && (ceiling === null || zxid < ceiling);
      if (!isEarlier && (to === undefined || (to !== number && to !== zxid))) continue;
      const draftable = refusing(path, () =>
        isTree ? this.treeOf(path, parseRecord(entry.data)) : this.nodeOf(path, entry.data, format),
      );
      const rest = { waitMs: limit.restMs, signal, expectedVersion: current ?? -1 };
      const restores = entry.restores ?? zxid;
      return this.run(places, draftable, { ...options, ...rest, restores });
    }
    const what = to === undefined ? 'no earlier version' : `no version ${to}`;
    throw rejection(path, 'rollback', `${what} in the history${others}`);
  }

  /** See `ConfigClient.history`. */
  async history(places: ConfigPlaces, options: CallOptions): Promise<readonly PublishedVersion[]> {
    const versions: PublishedVersion[] = [];
    const entries = readHistory(this.terms.zk, places.history, () => options);
    for await (const one of entries) versions.push(one);
    return versions;
  }

  private check(
    operation: 'publish' | 'rollback',
    { path }: ConfigPlaces,
    { format, schema, waitMs }: Pick<PublishOptions, 'format' | 'schema' | 'waitMs'>,
  ): void {
    checkPublishFormat(format, path);
    checkWait(operation, path, waitMs);
    if (schema !== undefined) checkSchema(schema, path);
    if (format === 'properties') checkTreePath(path, this.terms.root);
  }

  private nodeOf(path: string, data: Buffer, format: 'json' | 'yaml'): Draftable {
    const { zk, acl, bytesMax } = this.terms;
    const content = new NodeContent({ zk, path, acl }, data);
    return { content, parse: () => parseBytes(data, format, bytesMax) };
  }

  /** @throws {DocumentError} */
  private treeOf(path: string, value: unknown): Draftable {
    const { zk, acl, bytesMax } = this.terms;
    const nodes = encodeProperties(value, bytesMax);
    return { content: new TreeContent({ zk, path, acl }, nodes), parse: () => nodes.document };
  }

  private async run(
    places: ConfigPlaces,
    { content, parse }: Draftable,
    { schema, expectedVersion: expected, waitMs, signal, restores }: RunOptions,
  ): Promise<Published> {
    const { zk, acl, historyMax, log } = this.terms;
    const { path } = places;
    const limit = new TimeLimit(zk.clock, { waitMs, signal });
    if (schema !== undefined) await this.validate(path, schema, parse, limit);
    const limits = { waitMs: limit.restMs, signal };
    const terms = { zk, places, content, expected, acl, restores, ...limits };
    const version = await new Publication(terms).run();
    try {
      await trimHistory(zk, places.history, historyMax, () => limit.rest());
    } catch (error) {
      log.warn(`the history of the configuration ${path} cannot be trimmed`, { error });
    }
    return { version, rollout$: watchRollout(zk, places, of(version)) };
  }

  private async validate(
    path: string,
    schema: NonNullable<PublishOptions['schema']>,
    parse: () => unknown,
    limit: TimeLimit,
  ): Promise<void> {
    const { zk, validationMs } = this.terms;
    const document = refusing(path, parse);
    const waitMs = Math.min(validationMs, limit.restMs);
    const { signal } = limit;
    const verdict = await validate(schema, document, { clock: zk.clock, waitMs, signal });
    if (verdict.kind === 'valid') return;
    // What was not waited for is not rejected.
    limit.assertLeft('publish', path);
    const { issues } = verdict;
    throw new ConfigRejectedError(path, { operation: 'publish', issues, version: null });
  }
}

const EMPTY = Buffer.alloc(0);

/** What `make` returns. @throws {ConfigRejectedError} It is no document. */
function refusing<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    throw rejection(path, 'publish', error.message, error.field);
  }
}
