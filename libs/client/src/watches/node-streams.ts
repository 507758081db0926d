import { Observable } from 'rxjs';
import type { Stat } from '@aviary/protocol';
import { ClosedError, ConnectionLossError, SessionExpiredError } from '../errors.js';
import { NoNodeError, ThrottledError } from '../server-errors.js';
import type { Stamped } from '../operations/operation.js';
import type { NodeChildren, NodeData } from '../operations/node-operations.js';
import type { Watch } from './watch.js';

/** A node as it was at one moment. */
export interface NodeView extends NodeData {
  readonly path: string;
}

/** The children of a node as they were at one moment. */
export interface ChildrenView extends NodeChildren {
  readonly path: string;
}

/** A read that arms a watch, with the zxid of its answer. */
export interface WatchedRead<T> extends Stamped<T> {
  readonly watch: Watch;
}

/** What the streams need of the client. Reads have no deadline; they wait for a connection. */
export interface WatchReader {
  readData(path: string, signal: AbortSignal): Promise<WatchedRead<NodeData>>;
  readChildren(path: string, signal: AbortSignal): Promise<WatchedRead<NodeChildren>>;
  readStat(path: string, signal: AbortSignal): Promise<WatchedRead<Stat | null>>;
  /** Changes when the ensemble has lost its history, so that zxids begin anew. */
  history(): number;
  /** Waits a moment before a read is tried again; ends early when `signal` aborts. */
  pause(signal: AbortSignal): Promise<void>;
}

/** The node now, and again after every change; null while it does not exist. */
export function watchNode(reader: WatchReader, path: string): Observable<NodeView | null> {
  return watchView(reader, path, {
    read: (signal) => reader.readData(path, signal),
    viewOf: (node) => ({ path, ...node }),
    stampOf: (view) => view.stat.mzxid,
  });
}

/** The children now, and again after every change; null while the node does not exist. */
export function watchChildren(reader: WatchReader, path: string): Observable<ChildrenView | null> {
  return watchView(reader, path, {
    read: (signal) => reader.readChildren(path, signal),
    viewOf: (node) => ({ path, ...node }),
    // A node that was deleted and made anew starts with its own zxid, so this never repeats.
    stampOf: (view) => view.stat.pzxid,
  });
}

interface ViewKind<T, V> {
  read(signal: AbortSignal): Promise<WatchedRead<T>>;
  viewOf(value: T): V;
  /** Two views with the same stamp show the same. */
  stampOf(view: V): bigint;
}

function watchView<T, V>(
  reader: WatchReader,
  path: string,
  kind: ViewKind<T, V>,
): Observable<V | null> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const loop = new ViewLoop(reader, path, kind, abort.signal, (view) => subscriber.next(view));
    loop.run().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => abort.abort();
  });
}

/** Reads, shows, waits for the watch, and reads again, for one subscriber. */
class ViewLoop<T, V> {
  private readonly reader: WatchReader;
  private readonly path: string;
  private readonly kind: ViewKind<T, V>;
  private readonly signal: AbortSignal;
  private readonly show: (view: V | null) => void;
  private shown: { readonly stamp: bigint | null } | null = null;
  /** Nothing older than this is shown. */
  private floor = 0n;
  private history = 0;

  constructor(
    reader: WatchReader,
    path: string,
    kind: ViewKind<T, V>,
    signal: AbortSignal,
    show: (view: V | null) => void,
  ) {
    this.reader = reader;
    this.path = path;
    this.kind = kind;
    this.signal = signal;
    this.show = show;
    this.history = reader.history();
  }

  /** Returns when the client is closed or the subscriber has left; throws what it cannot heal. */
  async run(): Promise<void> {
    while (!this.hasLeft()) {
      try {
        const watch = await this.readOnce();
        if (watch === null) continue;
        // Whatever it says, the next read finds out where things stand.
        await watch.fired;
      } catch (error) {
        if (this.hasLeft() || error instanceof ClosedError) return;
        if (error instanceof SessionExpiredError) continue;
        if (!(error instanceof ConnectionLossError) && !(error instanceof ThrottledError)) {
          throw error;
        }
        await this.reader.pause(this.signal);
      }
    }
  }

  /** Reads and shows once. The watch fires when what was read is no longer so; null: read again. */
  private async readOnce(): Promise<Watch | null> {
    try {
      const { value, zxid, watch } = await this.kind.read(this.signal);
      this.offer(this.kind.viewOf(value), zxid);
      return watch;
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
    }
    // Only `exists` leaves a watch on a node that is not there.
    const { value, zxid, watch } = await this.reader.readStat(this.path, this.signal);
    if (value === null) {
      this.offer(null, zxid);
      return watch;
    }
    watch.cancel();
    return null;
  }

  private hasLeft(): boolean {
    return this.signal.aborted;
  }

  private offer(view: V | null, zxid: bigint): void {
    if (this.hasLeft()) return;
    if (this.history !== this.reader.history()) {
      this.history = this.reader.history();
      this.floor = 0n;
      this.shown = null;
    }
    if (zxid < this.floor) return;
    this.floor = zxid;
    const stamp = view === null ? null : this.kind.stampOf(view);
    if (this.shown?.stamp === stamp) return;
    this.shown = { stamp };
    this.show(view);
  }
}
