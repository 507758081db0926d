import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import {
  AddWatchMode,
  ErrorCode,
  OpCode,
  WatchEventType,
  WatcherType,
  addWatchRequest,
  watchTypeRequest,
  watcherEvent,
} from '@aviary/protocol';
import type { NodeEvent, WatchEvent } from '../watch-event.js';
import { InternalRequest, type SessionRequest } from './session-request.js';
import type { SessionOutput, TreeResetReason } from './session-io.js';
import { writeWatches } from './watch-restore.js';
import { WatchTable, type OneShotWatch, type TreeWatch } from './watch-table.js';

const eventKinds = new Map<number, NodeEvent['kind']>([
  [WatchEventType.nodeCreated, 'created'],
  [WatchEventType.nodeDeleted, 'deleted'],
  [WatchEventType.nodeDataChanged, 'dataChanged'],
  [WatchEventType.nodeChildrenChanged, 'childrenChanged'],
]);

/** The kind of a server's event type; undefined for one that this client does not know. */
export function nodeEventKind(type: number): NodeEvent['kind'] | undefined {
  return eventKinds.get(type);
}

function addWatch(tree: TreeWatch): InternalRequest {
  return new InternalRequest('addWatch', OpCode.addWatch, tree, (writer) =>
    addWatchRequest.write(writer, { path: tree.path, mode: tree.mode }),
  );
}

function removeWatches(path: string, mode: WatcherType): InternalRequest {
  return new InternalRequest('removeWatches', OpCode.removeWatches, { path, mode }, (writer) =>
    watchTypeRequest.write(writer, { path, type: mode }),
  );
}

/** What the keeper needs of the session around it. */
export interface WatchHost {
  emit(output: SessionOutput): void;
  /** Queues a request behind the others; dropped without a trace if there is no connection. */
  request(request: InternalRequest): void;
}

/** Keeps the server's watches in step with what the owners of this client are interested in. */
export class WatchKeeper {
  readonly table = new WatchTable();
  private readonly host: WatchHost;

  constructor(host: WatchHost) {
    this.host = host;
  }

  /** Appends what a new connection must be told. */
  writeKnown(writer: JuteWriter, lastZxid: bigint): void {
    writeWatches(writer, this.table.lists(), lastZxid);
  }

  /** A connection is up and was told what {@link writeKnown} wrote. */
  connected(reason: Exclude<TreeResetReason, 'armed'>): void {
    for (const tree of this.table.trees()) {
      if (tree.known) this.reset(tree, reason);
      // One by one the first time: a server that does not know them can then say of which it speaks.
      else this.host.request(addWatch(tree));
    }
  }

  addTree(path: string, mode: AddWatchMode): void {
    if (this.table.tree(path, mode) !== undefined) return;
    this.host.request(addWatch(this.table.addTree(path, mode)));
  }

  removeTree(path: string, mode: AddWatchMode): void {
    const tree = this.table.tree(path, mode);
    if (tree === undefined) return;
    this.table.removeTree(tree);
    // An unknown one has its addWatch on the way; its answer finds nobody and removes it then.
    if (tree.known) this.removeFromServer(tree.path, tree.mode);
  }

  /**
   * What must follow a read that sets `watch`, at once. Servers before 3.9 keep one mode per path,
   * so the read has just turned a tree at the same path into a watch that fires once.
   */
  rearming(watch: OneShotWatch): InternalRequest[] {
    return this.table.treesAt(watch.path).map(addWatch);
  }

  /** The read of `request` was answered with `code`. */
  readAnswered(request: SessionRequest, watch: OneShotWatch, code: number): void {
    let armed: 'data' | 'exist' | 'child' | null = null;
    if (code === ErrorCode.ok) armed = watch.table;
    else if (code === ErrorCode.noNode && request.opCode === OpCode.exists) armed = 'exist';
    if (this.table.answered(watch, armed)) this.removeOneShot(watch);
  }

  cancel(watch: OneShotWatch): void {
    const waited = watch.stage !== 'done';
    if (this.table.cancel(watch)) this.removeOneShot(watch);
    if (waited) this.ended(watch, { kind: 'cancelled' });
  }

  /** Ends every one-shot watch with `event`. */
  endOneShots(event: WatchEvent): void {
    for (const watch of this.table.endOneShots()) this.ended(watch, event);
  }

  /** An answer to one of {@link WatchHost.request}. */
  answered(request: InternalRequest, code: number): void {
    const { path, mode } = request;
    if (request.purpose === 'removeWatches') {
      this.removalAnswered(path, mode, code);
      return;
    }
    const tree = this.table.tree(path, mode);
    if (code === ErrorCode.ok) {
      if (tree === undefined) this.removeFromServer(path, mode);
      else if (!tree.known) {
        tree.known = true;
        this.reset(tree, 'armed');
      }
    } else if (tree !== undefined) {
      this.table.removeTree(tree);
      this.host.emit({ kind: 'tree', path, mode: tree.mode, signal: { kind: 'refused', code } });
    }
  }

  /** Hands out a notification. False: it cannot be read. */
  notified(reader: JuteReader, zxid: bigint): boolean {
    let type: number;
    let path: string;
    try {
      ({ type, path } = watcherEvent.read(reader));
    } catch (error) {
      if (error instanceof JuteError) return false;
      throw error;
    }
    const kind = nodeEventKind(type);
    // A kind from a later version: nobody can have asked for it.
    if (kind === undefined) return true;
    const fired = this.table.fire(type, path);
    const trees = this.table.treesOf(type, path);
    for (const watch of fired) this.ended(watch, { kind, path, zxid: zxid > 0n ? zxid : null });
    for (const tree of trees) {
      const signal = { kind: 'event', type, path, zxid } as const;
      this.host.emit({ kind: 'tree', path: tree.path, mode: tree.mode, signal });
    }
    return true;
  }

  private ended(watch: OneShotWatch, event: WatchEvent): void {
    this.host.emit({ kind: 'watchEnded', watch, event });
  }

  private reset(tree: TreeWatch, reason: TreeResetReason): void {
    const { path, mode } = tree;
    this.host.emit({ kind: 'tree', path, mode, signal: { kind: 'reset', reason } });
  }

  /** Before 3.9 this would take a tree at the path away too; better one watch too many. */
  private removeOneShot(watch: OneShotWatch): void {
    if (this.table.treesAt(watch.path).length > 0) return;
    const type = watch.table === 'data' ? WatcherType.data : WatcherType.children;
    this.host.request(removeWatches(watch.path, type));
  }

  private removeFromServer(path: string, mode: number): void {
    const recursive = mode === AddWatchMode.persistentRecursive;
    const type = recursive ? WatcherType.persistentRecursive : WatcherType.persistent;
    this.host.request(removeWatches(path, type));
  }

  /** Servers before 3.9 know only "any", which may be said if nothing else is there. */
  private removalAnswered(path: string, type: number, code: number): void {
    if (code === ErrorCode.ok || code === ErrorCode.noWatcher) return;
    if (type !== WatcherType.persistent && type !== WatcherType.persistentRecursive) return;
    if (this.table.hasOneShots(path) || this.table.treesAt(path).length > 0) return;
    this.host.request(removeWatches(path, WatcherType.any));
  }
}
