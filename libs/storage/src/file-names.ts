import { formatZxid, type Zxid } from '@aviary/foundation';

/** The directory below `dataDir` and `dataLogDir` that holds the files. */
export const VERSION_DIRECTORY = 'version-2';

/** Names that start so are files that were being made when the process ended. */
export const UNFINISHED_PREFIX = 'tmp.';

/** A file of the data directory and the zxid in its name. */
export interface NamedFile {
  readonly name: string;
  readonly zxid: Zxid;
}

export function logName(firstZxid: Zxid): string {
  return `log.${formatZxid(firstZxid)}`;
}

export function snapshotName(zxid: Zxid): string {
  return `snapshot.${formatZxid(zxid)}`;
}

function namedFiles(names: readonly string[], kind: 'log' | 'snapshot'): NamedFile[] {
  const found: NamedFile[] = [];
  for (const name of names) {
    const match = /^(\w+)\.([0-9a-f]{1,16})(\.gz|\.snappy)?$/i.exec(name);
    if (match?.[1] !== kind || (kind === 'log' && match.at(3) !== undefined)) continue;
    found.push({ name, zxid: parseInt(match[2], 16) });
  }
  return found.sort((a, b) => a.zxid - b.zxid);
}

/** The transaction logs among `names`, oldest first. Other names are none of our business. */
export function logFiles(names: readonly string[]): NamedFile[] {
  return namedFiles(names, 'log');
}

/** The snapshots among `names`, oldest first. */
export function snapshotFiles(names: readonly string[]): NamedFile[] {
  return namedFiles(names, 'snapshot');
}

/** A file inside a directory. */
export function joinPath(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`;
}
