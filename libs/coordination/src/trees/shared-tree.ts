import { UnimplementedError, type NodeView, type TreeEvent, type ZooKeeper } from '@aviary/client';
import { Observable, ReplaySubject, Subject, Subscription } from 'rxjs';
import { TreeUnsupportedError } from './tree-errors.js';
import { TreeReads } from './tree-reads.js';
import { TreeSnapshot, type TreeProblem } from './tree-snapshot.js';
import { TreeStore, type TreeLimits } from './tree-store.js';

/** A tree in memory, and whether it is certain to be the newest. */
export interface TreeView {
  readonly snapshot: TreeSnapshot;
  /**
   * There is no connection, or it was just made and the tree is being read again: others may have
   * changed it meanwhile. Or so much is changed all the time that for more than a second no snapshot
   * was complete; otherwise a change that was told and is being read does not count.
   */
  readonly stale: boolean;
}

/** After so long without a complete tree, the last one counts as stale. */
const LAG_MS_MAX = 1_000;

/** One tree in memory, from its first subscriber to its last: its watch, its reads, its streams. */
export class SharedTree {
  readonly views = new ReplaySubject<TreeView>(1);
  view: TreeView | null = null;
  private readonly zk: ZooKeeper;
  private readonly path: string;
  private readonly store: TreeStore;
  private readonly reads: TreeReads;
  private readonly subscriptions = new Subscription();
  /** The listeners of single nodes. */
  private readonly nodes = new Map<string, Subject<void>>();
  isStarted = false;
  /** How many streams it feeds. */
  subscribers = 0;
  private isSettled = false;
  /** Since when something that was told is being read; null: nothing is. */
  private laggingSinceMs: number | null = null;
  private history = 0;
  private isOver = false;

  /** @param onOver It ended by itself, with an error or because the client was closed. */
  constructor(zk: ZooKeeper, path: string, limits: TreeLimits, onOver: () => void) {
    this.zk = zk;
    this.path = path;
    this.store = new TreeStore(path, limits);
    this.reads = new TreeReads(zk, path, this.store, {
      onRead: () => {
        this.moved();
        this.checkLag();
      },
      onTrouble: () => this.unsettle(),
      onFailure: (error) => this.end(error),
    });
    this.subscriptions.add(onOver);
  }

  /** To be called once, when somebody listens. */
  start(): void {
    this.isStarted = true;
    const watching = this.zk.watchTree(this.path).subscribe({
      next: (event) => this.onEvent(event),
      error: (error: unknown) => this.end(error),
      complete: () => this.end(null),
    });
    this.subscriptions.add(watching);
    const states = this.zk.state$.subscribe(({ kind }) => {
      if (kind !== 'connected' && kind !== 'reconnected') this.unsettle();
    });
    this.subscriptions.add(states);
  }

  /** Nobody listens any more. */
  stop(): void {
    this.isOver = true;
    this.reads.stop();
    this.subscriptions.unsubscribe();
  }

  /** See `CachedTree.node$`; ends as {@link views}. */
  node(path: string): Observable<NodeView | null> {
    return new Observable((subscriber) => {
      let shown: bigint | null | undefined;
      /** What was gone cannot be there again: a server that lags behind has not heard of it. */
      let gone = -1n;
      let { history } = this;
      const look = () => {
        if (history !== this.history) gone = -1n;
        history = this.history;
        const glimpse = this.store.peek(path);
        if (glimpse.kind === 'refused') {
          subscriber.error(glimpse.error);
          return;
        }
        if (glimpse.kind === 'read' && glimpse.node.stat.mzxid <= gone) return;
        if (glimpse.kind === 'read' && shown !== glimpse.node.stat.mzxid) {
          shown = glimpse.node.stat.mzxid;
          subscriber.next({ path, ...glimpse.node });
          return;
        }
        // In a tree that is being read, one that was there is gone only if that was read or told.
        const isGone = glimpse.kind === 'unlisted' && shown !== undefined;
        if ((glimpse.kind === 'absent' || isGone) && shown !== null) {
          gone = shown ?? -1n;
          shown = null;
          subscriber.next(null);
        }
      };
      const subject = this.nodes.get(path) ?? new Subject();
      this.nodes.set(path, subject);
      subscriber.add(subject.subscribe(look));
      const error = (reason: unknown) => subscriber.error(reason);
      const complete = () => subscriber.complete();
      subscriber.add(this.views.subscribe({ error, complete }));
      subscriber.add(() => {
        if (!subject.observed && this.nodes.get(path) === subject) this.nodes.delete(path);
      });
      look();
    });
  }

  private onEvent(event: TreeEvent): void {
    if (event.kind === 'reset') {
      this.unsettle();
      if (event.reason === 'historyLost') this.forget();
      this.store.sweep();
    } else {
      try {
        this.store.event(event);
      } catch (error) {
        this.end(error);
        return;
      }
    }
    this.moved();
    if (!this.store.isComplete) this.laggingSinceMs ??= this.zk.clock.monotonicMs();
    this.reads.schedule();
  }

  private forget(): void {
    this.history++;
    this.store.forget();
  }

  /** Who looks at the last snapshot must see that it is not just a round trip behind. */
  private checkLag(): void {
    if (!this.isSettled || this.laggingSinceMs === null) return;
    if (this.zk.clock.monotonicMs() - this.laggingSinceMs >= LAG_MS_MAX) this.unsettle();
  }

  /** Something is known that was not: shows it, and the whole tree if it is complete. */
  private moved(): void {
    for (const path of this.store.takeChanges()) this.nodes.get(path)?.next();
    if (this.isOver || !this.store.isComplete) return;
    this.store.shown();
    const wasSettled = this.isSettled;
    this.isSettled = true;
    this.laggingSinceMs = null;
    const before = this.view;
    const root = this.store.freeze();
    const problems = this.store.problems();
    const isSame = before?.snapshot.root === root && areSame(before.snapshot.problems, problems);
    if (!isSame) {
      // Events come before what they announce, so this is the moment for which the tree is right.
      const { lastZxid: zxid } = this.zk;
      const { path } = this;
      this.show({ snapshot: new TreeSnapshot({ path, zxid, root, problems }), stale: false });
    } else if (before.stale) {
      this.show({ snapshot: before.snapshot, stale: false });
    }
    // Only now is it certain of those that were not found that they do not exist.
    if (!wasSettled) for (const subject of [...this.nodes.values()]) subject.next();
  }

  private unsettle(): void {
    if (!this.isSettled) return;
    this.isSettled = false;
    if (this.view !== null) this.show({ ...this.view, stale: true });
  }

  private show(view: TreeView): void {
    this.view = view;
    this.views.next(view);
  }

  private end(error: unknown): void {
    if (this.isOver) return;
    this.stop();
    const told =
      error instanceof UnimplementedError ? new TreeUnsupportedError(this.path, error) : error;
    if (told === null) this.views.complete();
    else this.views.error(told);
  }
}

function areSame(some: readonly TreeProblem[], others: readonly TreeProblem[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ path, error }, at) => others[at]?.path === path && others[at].error === error)
  );
}
