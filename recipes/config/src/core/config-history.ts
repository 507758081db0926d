import { NoNodeError, type CallOptions, type ZooKeeper } from '@aviary/client';
import { childPath, randomUuid, type Random } from '@aviary/foundation';
import type { ConfigVersion } from './config-errors.js';

/**
 * A version that was published, in the words in which it was written; a tree of properties, whose
 * version has no number, as JSON.
 */
export interface PublishedVersion {
  /** Its node in the history. */
  readonly nodePath: string;
  readonly version: ConfigVersion;
  /** When, by the servers' clock. */
  readonly publishedAt: Date;
  readonly data: Buffer;
  /** The zxid of the version that came back with it by a rollback; null: it was none. */
  readonly restores: bigint | null;
}

const NAME = /^([vt])(\d+)-([0-9a-f-]{36})-(-?\d{10})$/;

interface EntryName {
  readonly name: string;
  /** Null: it was a tree, whose versions have none. */
  readonly number: number | null;
  readonly id: string;
  readonly sequence: number;
}

/**
 * Where a version is written in the history; the server adds the rest of the name.
 *
 * @param facts.count How often the node at the path was written to, with this version.
 */
export function entryPath(
  directory: string,
  { isTree, count, id }: { readonly isTree: boolean; readonly count: number; readonly id: string },
): string {
  return childPath(directory, `${isTree ? 't' : 'v'}${count}-${id}-`);
}

/**
 * An id for a publication; one that brings a version back says which: as a UUID of version 8, whose
 * first digits are the zxid. So the history tells what a rollback was, however much of it is gone.
 */
export function newEntryId(source: Random, restores: bigint | null): string {
  const random = randomUuid(source);
  if (restores === null) return random;
  const zxid = restores.toString(16).padStart(ZXID_DIGITS, '0');
  const start = `${zxid.slice(0, 8)}-${zxid.slice(8, 12)}-8${zxid.slice(12, 15)}`;
  return `${start}-${random.charAt(19)}${zxid.slice(15)}${random.slice(21)}`;
}

const ZXID_DIGITS = 16;

function restoredBy(id: string): bigint | null {
  if (id.charAt(14) !== '8') return null;
  const digits = id.replaceAll('-', '');
  return BigInt(`0x${digits.slice(0, 12)}${digits.slice(13, 16)}${digits.charAt(17)}`);
}

/** The names of a history's nodes, newest first. What else is there is left alone. */
function entriesIn(names: readonly string[]): EntryName[] {
  const entries = names.flatMap((name) => {
    const match = NAME.exec(name);
    if (match === null) return [];
    const [, kind, count, id = '', sequence] = match;
    return { name, number: kind === 't' ? null : Number(count), id, sequence: Number(sequence) };
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
  for (const { name, number, id } of await listEntries(zk, directory, options())) {
    const nodePath = childPath(directory, name);
    try {
      const { data, stat } = await zk.get(nodePath, options());
      // It was made in the transaction that wrote the configuration, so it has the same zxid.
      yield {
        nodePath,
        version: { number, zxid: stat.czxid },
        publishedAt: new Date(Number(stat.ctime)),
        data: data ?? Buffer.alloc(0),
        restores: restoredBy(id),
      };
    } catch (error) {
      // Somebody has just published the version that made it one too many.
      if (!(error instanceof NoNodeError)) throw error;
    }
  }
}

/**
 * The version that was published under `id`. `absent`: it was not. `unknown`: whether it was cannot
 * be told any more, because all entries of its time are gone.
 *
 * @param wanted.floor The last zxid that was seen before it was published.
 */
export async function findEntry(
  zk: ZooKeeper,
  directory: string,
  wanted: { readonly id: string; readonly floor: bigint },
  options: () => CallOptions,
): Promise<ConfigVersion | 'absent' | 'unknown'> {
  const entries = await listEntries(zk, directory, options());
  const own = entries.find(({ id }) => id === wanted.id);
  const oldest = entries.at(-1);
  if (own !== undefined) {
    const stat = await zk.exists(childPath(directory, own.name), options());
    return stat === null ? 'unknown' : { number: own.number, zxid: stat.czxid };
  }
  // Entries go in their order: none is gone before the first, nor after one that is older.
  if (oldest === undefined || oldest.sequence === 0) return 'absent';
  const stat = await zk.exists(childPath(directory, oldest.name), options());
  return stat !== null && stat.czxid <= wanted.floor ? 'absent' : 'unknown';
}

/** Deletes all but the newest `keep`, the oldest first: see {@link findEntry}. */
export async function trimHistory(
  zk: ZooKeeper,
  directory: string,
  keep: number,
  options: () => CallOptions,
): Promise<void> {
  const entries = await listEntries(zk, directory, options());
  for (const { name } of entries.slice(keep).reverse()) {
    try {
      await zk.delete(childPath(directory, name), options());
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
    }
  }
}
