import { NoNodeError, type CallOptions, type ZooKeeper } from '@aviary/client';
import { childPath } from '@aviary/foundation';
import type { ConfigVersion } from './config-errors.js';

/** A version that was published, in the words in which it was written. */
export interface PublishedVersion {
  /** Its node in the history. */
  readonly nodePath: string;
  readonly version: ConfigVersion;
  /** When, by the servers' clock. */
  readonly publishedAt: Date;
  readonly data: Buffer;
}

const NAME = /^v(\d+)-([0-9a-f-]{36})-(-?\d{10})$/;

interface EntryName {
  readonly name: string;
  readonly number: number;
  readonly id: string;
  readonly sequence: number;
}

/** Where a version is written in the history; the server adds the rest of the name. */
export function entryPath(directory: string, number: number, id: string): string {
  return childPath(directory, `v${number}-${id}-`);
}

/** The names of a history's nodes, newest first. What else is there is left alone. */
function entriesIn(names: readonly string[]): EntryName[] {
  const entries = names.flatMap((name) => {
    const match = NAME.exec(name);
    if (match === null) return [];
    return { name, number: Number(match[1]), id: match[2] ?? '', sequence: Number(match[3]) };
  });
  // The counter is a signed one of 32 bits, so differences are right also where it wraps.
  return entries.sort((one, other) => (other.sequence - one.sequence) | 0);
}

async function listEntries(
  zk: ZooKeeper,
  directory: string,
  options: CallOptions,
): Promise<EntryName[]> {
  try {
    return entriesIn((await zk.children(directory, options)).children);
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

/**
 * The published versions, newest first, read one after the other as they are asked for.
 *
 * @throws what the client's reads throw.
 */
export async function* readHistory(
  zk: ZooKeeper,
  directory: string,
  options: () => CallOptions = () => ({}),
): AsyncGenerator<PublishedVersion, void, undefined> {
  for (const { name, number } of await listEntries(zk, directory, options())) {
    const nodePath = childPath(directory, name);
    try {
      const { data, stat } = await zk.get(nodePath, options());
      // It was made in the transaction that wrote the configuration, so it has the same zxid.
      yield {
        nodePath,
        version: { number, zxid: stat.czxid },
        publishedAt: new Date(Number(stat.ctime)),
        data: data ?? Buffer.alloc(0),
      };
    } catch (error) {
      // Somebody has just published the version that made it one too many.
      if (!(error instanceof NoNodeError)) throw error;
    }
  }
}

/** The version that was published under `id`; null: there is none. */
export async function findEntry(
  zk: ZooKeeper,
  directory: string,
  id: string,
  options: () => CallOptions,
): Promise<ConfigVersion | null> {
  const entry = (await listEntries(zk, directory, options())).find((one) => one.id === id);
  if (entry === undefined) return null;
  const stat = await zk.exists(childPath(directory, entry.name), options());
  return stat === null ? null : { number: entry.number, zxid: stat.czxid };
}

/** Deletes all but the newest `keep`. */
export async function trimHistory(
  zk: ZooKeeper,
  directory: string,
  keep: number,
  options: () => CallOptions,
): Promise<void> {
  const entries = await listEntries(zk, directory, options());
  for (const { name } of entries.slice(keep)) {
    try {
      await zk.delete(childPath(directory, name), options());
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
    }
  }
}
