import { ErrorCode, WatchEventType, WatcherType } from '@aviary/protocol';
import type { AclList } from './acl-table.js';
import { WatchFilter } from './watch-filter.js';

/** How a watch was set; one connection may have several on one path. */
const Mode = {
  data: 1,
  child: 2,
  persistent: 4,
  recursive: 8,
} as const;

const DATA_MODES = Mode.data | Mode.persistent | Mode.recursive;
const CHILD_MODES = Mode.child | Mode.persistent;
const ONE_SHOT = Mode.data | Mode.child;

/** Which modes a removal of each type takes away. */
const MODES_OF_TYPE: ReadonlyMap<number, number> = new Map([
  [WatcherType.children, Mode.child],
  [WatcherType.data, Mode.data],
  [WatcherType.any, Mode.data | Mode.child | Mode.persistent | Mode.recursive],
  [WatcherType.persistent, Mode.persistent],
  [WatcherType.persistentRecursive, Mode.recursive],
]);

/** Whoever watches: a connection. */
export interface Watcher {
  /** Whether it may learn of a change of a node with that list. */
  mayRead(acl: AclList): boolean;

  /** One change; the same object goes to all who are told of it. */
  notify(event: WatchEvent): void;
}

/** A change that somebody watched. */
export interface WatchEvent {
  readonly type: WatchEventType;
  readonly path: string;
  readonly zxid: number;
}

/** A path somebody watches, and the modes of each who does. */
interface WatchedPath {
  readonly path: string;
  readonly hash: number;
  readonly modes: Map<Watcher, number>;
}

/** What one connection watches. */
interface Watched {
  readonly paths: Set<WatchedPath>;
  bytes: number;
}

/** Numbers of watches, for monitoring. */
export interface WatchCounts {
  readonly connections: number;
  readonly paths: number;
  readonly watches: number;
}

// What looks like a byte order mark is part of a path that does not exist, and no path to drop it from.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** About what a watch costs besides its path: its places in the tables. */
const WATCH_BYTES = 200;

function bytesOf(watched: WatchedPath): number {
  return WATCH_BYTES + watched.path.length;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Every path above `path`, nearest first; the root last. */
function* ancestorsOf(path: string): IterableIterator<string> {
  if (path === '/') return;
  let cut = path.lastIndexOf('/');
  for (; cut > 0; cut = path.lastIndexOf('/', cut - 1)) yield path.slice(0, cut);
  yield '/';
}

/**
 * The watches of all connections of this server.
 *
 * They belong to the connection and not to the session: whoever reconnects sets them anew. A change
 * reaches a connection once, however many of its watches match. One-shot watches go when they
 * match, even if the watcher may not read the node and so hears nothing.
 */
export class WatchTable {
  private readonly byPath = new Map<string, WatchedPath>();
  private readonly byWatcher = new Map<Watcher, Watched>();
  private readonly filter = new WatchFilter();
  private recursiveWatches = 0;
  private totalWatches = 0;
  private totalBytes = 0;

  /** @param hash Of a path, as the node store counts it. */
  constructor(private readonly hash: (path: string) => number) {}

  /** Watches of all modes together. A persistent one counts once. */
  get size(): number {
    return this.totalWatches;
  }

  /** About how much memory all watches take. */
  get bytes(): number {
    return this.totalBytes;
  }

  /** About how much memory the watches of one connection take. */
  bytesOf(watcher: Watcher): number {
    return this.byWatcher.get(watcher)?.bytes ?? 0;
  }

  /** Whether a change of the path with this hash could interest anybody. */
  mayConcern(hash: number): boolean {
    return this.recursiveWatches > 0 || this.filter.mayHave(hash);
  }

  addData(path: string, watcher: Watcher): void {
    this.add(path, watcher, Mode.data);
  }

  addChild(path: string, watcher: Watcher): void {
    this.add(path, watcher, Mode.child);
  }

  addPersistent(path: string, watcher: Watcher): void {
    this.add(path, watcher, Mode.persistent);
  }

  addRecursive(path: string, watcher: Watcher): void {
    this.add(path, watcher, Mode.recursive);
  }

  /**
   * Looks for the watches of `watcher` on `path` that a WatcherType means.
   *
   * @returns An error code: 0, NOWATCHER or, for a type that does not exist, MARSHALLINGERROR.
   */
  check(path: string, watcher: Watcher, type: number): number {
    const wanted = MODES_OF_TYPE.get(type);
    if (wanted === undefined) return ErrorCode.marshallingError;
    const held = this.byPath.get(path)?.modes.get(watcher) ?? 0;
    return (held & wanted) === 0 ? ErrorCode.noWatcher : ErrorCode.ok;
  }

  /** As {@link check}, and takes them away. */
  remove(path: string, watcher: Watcher, type: number): number {
    const result = this.check(path, watcher, type);
    const watched = this.byPath.get(path);
    const wanted = MODES_OF_TYPE.get(type);
    if (result === ErrorCode.ok && watched !== undefined && wanted !== undefined) {
      this.takeAway(watched, watcher, wanted);
    }
    return result;
  }

  /** Forgets a connection that has gone. */
  removeAll(watcher: Watcher): void {
    const held = this.byWatcher.get(watcher);
    if (held === undefined) return;
    for (const watched of [...held.paths]) this.takeAway(watched, watcher, -1);
  }

  /**
   * Tells of the creation, deletion or new data of a node to who watches it or a tree around it;
   * of a deletion also to who watches its children.
   */
  nodeChanged(type: WatchEventType, path: string, acl: AclList, zxid: number): void {
    const event: WatchEvent = { type, path, zxid };
    const modes = type === WatchEventType.nodeDeleted ? DATA_MODES | CHILD_MODES : DATA_MODES;
    const told = this.fire(this.byPath.get(path), modes, event, acl, null);
    if (this.recursiveWatches === 0) return;
    let seen = told;
    for (const ancestor of ancestorsOf(path)) {
      seen = this.fire(this.byPath.get(ancestor), Mode.recursive, event, acl, seen);
    }
  }

  /** Tells who watches the children of `path` that one came or went. */
  childrenChanged(path: string, acl: AclList, zxid: number): void {
    const event: WatchEvent = { type: WatchEventType.nodeChildrenChanged, path, zxid };
    this.fire(this.byPath.get(path), CHILD_MODES, event, acl, null);
  }

  /** The path that a change is about, as text. */
  static textOf(bytes: Uint8Array, start: number, end: number): string {
    return utf8.decode(bytes.subarray(start, end));
  }

  /** Watches that see data, as four-letter word `wchs` counts them. */
  dataWatchCounts(): WatchCounts {
    const connections = new Set<Watcher>();
    let paths = 0;
    let watches = 0;
    for (const { modes } of this.byPath.values()) {
      let here = 0;
      for (const [watcher, held] of modes) {
        if ((held & DATA_MODES) === 0) continue;
        connections.add(watcher);
        here++;
      }
      if (here > 0) paths++;
      watches += here;
    }
    return { connections: connections.size, paths, watches };
  }

  /** Calls `visit` for each path and connection with a watch that sees data. */
  forEachDataWatch(visit: (path: string, watcher: Watcher) => void): void {
    for (const { path, modes } of this.byPath.values()) {
      for (const [watcher, held] of modes) {
        if ((held & DATA_MODES) !== 0) visit(path, watcher);
      }
    }
  }

  private add(path: string, watcher: Watcher, mode: number): void {
    let watched = this.byPath.get(path);
    if (watched === undefined) {
      watched = { path, hash: this.hash(path), modes: new Map() };
      this.byPath.set(path, watched);
      this.filter.add(watched.hash);
    }
    const held = watched.modes.get(watcher) ?? 0;
    if ((held & mode) !== 0) return;
    watched.modes.set(watcher, held | mode);
    this.totalWatches++;
    if (mode === Mode.recursive) this.recursiveWatches++;
    if (held !== 0) return;
    const bytes = bytesOf(watched);
    this.totalBytes += bytes;
    const all = this.byWatcher.get(watcher);
    if (all === undefined) {
      this.byWatcher.set(watcher, { paths: new Set([watched]), bytes });
    } else {
      all.paths.add(watched);
      all.bytes += bytes;
    }
  }

  private takeAway(watched: WatchedPath, watcher: Watcher, modes: number): void {
    const held = watched.modes.get(watcher) ?? 0;
    const left = held & ~modes;
    if (left === held) return;
    this.totalWatches -= bitCount(held) - bitCount(left);
    if ((held & ~left & Mode.recursive) !== 0) this.recursiveWatches--;
    if (left !== 0) {
      watched.modes.set(watcher, left);
      return;
    }
    watched.modes.delete(watcher);
    if (watched.modes.size === 0) {
      this.byPath.delete(watched.path);
      this.filter.remove(watched.hash);
    }
    const bytes = bytesOf(watched);
    this.totalBytes -= bytes;
    const all = this.byWatcher.get(watcher);
    if (all === undefined) return;
    all.paths.delete(watched);
    all.bytes -= bytes;
    if (all.paths.size === 0) this.byWatcher.delete(watcher);
  }

  /**
   * Tells those with one of `modes` on `watched` who were not told yet; returns who was told, as
   * far as anybody after this needs to know.
   */
  private fire(
    watched: WatchedPath | undefined,
    modes: number,
    event: WatchEvent,
    acl: AclList,
    alreadyTold: Set<Watcher> | null,
  ): Set<Watcher> | null {
    if (watched === undefined) return alreadyTold;
    const keepsTold = this.recursiveWatches > 0;
    let told = alreadyTold;
    for (const [watcher, held] of watched.modes) {
      if ((held & modes) === 0) continue;
      if ((held & modes & ONE_SHOT) !== 0) this.takeAway(watched, watcher, modes & ONE_SHOT);
      if (told?.has(watcher) === true) continue;
      if (keepsTold) (told ??= new Set()).add(watcher);
      if (watcher.mayRead(acl)) watcher.notify(event);
    }
    return told;
  }
}
