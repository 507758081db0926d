import { map, type Observable } from 'rxjs';
import type { ZooKeeper } from '@aviary/client';
import type { ConfigVersion } from './config-errors.js';
import { parseBytes, type TextFormat } from './document.js';

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
