import { combineLatest, map, type Observable } from 'rxjs';
import type { Stat, ZooKeeper } from '@aviary/client';
import { Trees, type TreeSnapshot } from '@aviary/coordination';
import type { ConfigVersion } from './config-errors.js';
import { parseBytes, type TextFormat } from './document.js';
import { lastChange, parseProperties } from './properties.js';

/** What the servers have at one moment. */
export interface RawConfig {
  readonly version: ConfigVersion;
  /** @throws {DocumentError} */
  parse(): unknown;
}

/**
 * The data now, and again after every change; null while there are none. Cold. What lies in between
 * may be skipped, the newest never is, and nothing older follows what is newer.
 */
export type ConfigSource = Observable<RawConfig | null>;

/** One node whose data are the whole configuration. */
export function nodeSource(
  zk: ZooKeeper,
  path: string,
  { format, bytesMax }: { readonly format: TextFormat; readonly bytesMax: number },
): ConfigSource {
  return zk.watchNode(path).pipe(
    map((node) => {
      if (node === null) return null;
      const { data, stat } = node;
      return {
        version: { zxid: stat.mzxid, number: stat.version },
        parse: () => parseBytes(data, format, bytesMax),
      };
    }),
  );
}

/**
 * Trees of properties, which all together are the configuration. Each is as of one moment; what was
 * written to several of them is seen one after the other, as what was written in several
 * transactions is.
 */
export function treeSource(
  zk: ZooKeeper,
  layers: readonly string[],
  bytesMax: number,
): ConfigSource {
  const trees = Trees.of(zk);
  return combineLatest(layers.map((path) => trees.tree(path).snapshot$)).pipe(
    map((snapshots) => {
      const isMissing = snapshots.every(({ root, problems }) => root === null && !problems.length);
      if (isMissing) return null;
      return {
        version: { zxid: lastChange(statsOf(snapshots)), number: null },
        parse: () => parseProperties(snapshots, bytesMax),
      };
    }),
  );
}

function* statsOf(snapshots: readonly TreeSnapshot[]): Generator<Stat> {
  for (const snapshot of snapshots) for (const { stat } of snapshot.nodes()) yield stat;
}
