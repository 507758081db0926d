import type { SeededRandom } from '../seeded-random.js';
import type { Unsynced } from './file-image.js';

/** One change of a directory, atomic: an entry goes, or comes, or (a rename) both. */
interface NameChange<T> {
  readonly change: number;
  /** The directory whose sync makes it durable. */
  readonly directory: string;
  readonly gone: string | null;
  readonly come: { readonly path: string; readonly node: T } | null;
}

/** `path` without empty components, `.` and a trailing slash; always from the root. */
export function normalizedPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}`;
}

/** The directory that `path` (normalized) is an entry of; the root is in itself. */
export function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/**
 * The names of a disk, as the running system sees them and as they are on the platter.
 *
 * An entry that no sync of its directory has covered is kept or lost at a power cut, each change
 * by itself, except that a change of a name needs the earlier changes of the same name.
 */
export class Names<T> {
  private readonly cached: Map<string, T>;
  private readonly platter: Map<string, T>;
  private readonly isDirectory: (node: T) => boolean;
  private pending: NameChange<T>[] = [];
  private change = 0;

  constructor(isDirectory: (node: T) => boolean, entries: Iterable<readonly [string, T]>) {
    this.isDirectory = isDirectory;
    this.cached = new Map(entries);
    this.platter = new Map(this.cached);
  }

  /** The last change: what a sync that starts now covers. */
  get lastChange(): number {
    return this.change;
  }

  get(path: string): T | undefined {
    return this.cached.get(path);
  }

  /** Everything that the running system sees. */
  entries(): IterableIterator<[string, T]> {
    return this.cached.entries();
  }

  /** Names in `directory`. */
  list(directory: string): string[] {
    const names: string[] = [];
    for (const path of this.cached.keys()) {
      if (path !== '/' && directoryOf(path) === directory) {
        names.push(path.slice(path.lastIndexOf('/') + 1));
      }
    }
    return names;
  }

  add(path: string, node: T): void {
    this.cached.set(path, node);
    this.note(directoryOf(path), null, { path, node });
  }

  remove(path: string): void {
    this.cached.delete(path);
    this.note(directoryOf(path), path, null);
  }

  /** The sync of the directory that `to` is in makes a rename durable. */
  rename(from: string, to: string): void {
    const node = this.cached.get(from);
    if (node === undefined || from === to) return;
    this.cached.delete(from);
    this.cached.set(to, node);
    this.note(directoryOf(to), from, { path: to, node });
  }

  /** Makes the changes in `directory` up to `change` durable, and what they build on. */
  sync(directory: string, change: number): void {
    const needed = new Set<string>();
    const chosen = new Set<NameChange<T>>();
    for (const candidate of [...this.pending].reverse()) {
      const isAsked = candidate.directory === directory && candidate.change <= change;
      if (!isAsked && !touches(candidate, needed)) continue;
      chosen.add(candidate);
      addPaths(candidate, needed);
    }
    for (const each of this.pending) if (chosen.has(each)) apply(this.platter, each);
    this.pending = this.pending.filter((each) => !chosen.has(each));
  }

  /** The names on the platter after a power cut. */
  afterPowerCut(random: SeededRandom, unsynced: Unsynced): Map<string, T> {
    const names = new Map(this.platter);
    const lost = new Set<string>();
    for (const each of this.pending) {
      const isKept = unsynced === 'kept' || (unsynced === 'drawn' && random.chance(0.5));
      if (isKept && !touches(each, lost)) apply(names, each);
      else addPaths(each, lost);
    }
    for (const path of [...names.keys()].sort()) {
      const parent = names.get(directoryOf(path));
      if (parent === undefined || !this.isDirectory(parent)) names.delete(path);
    }
    return names;
  }

  private note(directory: string, gone: string | null, come: NameChange<T>['come']): void {
    this.pending.push({ change: ++this.change, directory, gone, come });
  }
}

function apply<T>(names: Map<string, T>, { gone, come }: NameChange<T>): void {
  if (gone !== null) names.delete(gone);
  if (come !== null) names.set(come.path, come.node);
}

function touches({ gone, come }: NameChange<unknown>, paths: ReadonlySet<string>): boolean {
  return (gone !== null && paths.has(gone)) || (come !== null && paths.has(come.path));
}

function addPaths({ gone, come }: NameChange<unknown>, paths: Set<string>): void {
  if (gone !== null) paths.add(gone);
  if (come !== null) paths.add(come.path);
}
