import { AddWatchMode } from '@aviary/protocol';
import { Observable, Subject } from 'rxjs';
import type { Chroot } from '../chroot.js';
import type { CoordinationError } from '../errors.js';
import { errorForCode } from '../server-errors.js';
import type { SessionInput, TreeResetReason, TreeSignal } from '../session/session-io.js';
import { nodeEventKind } from '../session/watch-keeper.js';
import type { NodeEvent } from '../watch-event.js';

/**
 * Read the tree again: events may have been missed. `armed`: the watch is set, this is the first
 * thing that a subscriber sees. `reconnected`: there was a gap. `newSession`: there was a gap, and
 * the ephemeral nodes of this client are gone. `historyLost`: as `newSession`, and the ensemble was built
 * anew, so that its zxids do not compare with those seen before.
 */
export interface TreeReset {
  readonly kind: 'reset';
  readonly reason: TreeResetReason;
}

/** What a watched tree reports. */
export type TreeEvent = NodeEvent | TreeReset;

/** One watch on the server and all who listen to it in this process. */
class SharedTree {
  readonly subject = new Subject<TreeEvent>();
  subscribers = 0;
  armed = false;
}

/** Shares one persistent watch per path and mode among all subscribers. */
export class TreeHub {
  private readonly chroot: Chroot;
  private readonly dispatch: (input: SessionInput) => void;
  private readonly shared = new Map<string, SharedTree>();
  private ended: { readonly error: CoordinationError | null } | null = null;

  constructor(chroot: Chroot, dispatch: (input: SessionInput) => void) {
    this.chroot = chroot;
    this.dispatch = dispatch;
  }

  /** The events of `path`, the caller's. */
  watch(path: string, recursive: boolean): Observable<TreeEvent> {
    const mode = recursive ? AddWatchMode.persistentRecursive : AddWatchMode.persistent;
    const serverPath = this.chroot.toServer(path);
    return new Observable((subscriber) => {
      if (this.ended !== null) {
        if (this.ended.error === null) subscriber.complete();
        else subscriber.error(this.ended.error);
        return undefined;
      }
      const tree = this.join(serverPath, mode);
      if (tree.armed) subscriber.next({ kind: 'reset', reason: 'armed' });
      const subscription = tree.subject.subscribe(subscriber);
      return () => {
        subscription.unsubscribe();
        this.leave(tree, serverPath, mode);
      };
    });
  }

  /** The core reports on the tree at `serverPath`. */
  signal(serverPath: string, mode: AddWatchMode, signal: TreeSignal): void {
    const key = keyOf(serverPath, mode);
    const tree = this.shared.get(key);
    if (tree === undefined) return;
    switch (signal.kind) {
      case 'reset':
        tree.armed = true;
        tree.subject.next(signal);
        return;
      case 'refused':
        this.shared.delete(key);
        tree.subject.error(
          errorForCode(signal.code, 'watchTree', this.chroot.toClient(serverPath)),
        );
        return;
      case 'event': {
        const kind = nodeEventKind(signal.type);
        const path = this.chroot.toClient(signal.path);
        if (kind === undefined || path === null) return;
        tree.subject.next({ kind, path, zxid: signal.zxid > 0n ? signal.zxid : null });
      }
    }
  }

  /** Ends all streams: with `error`, or because the client was closed. */
  end(error: CoordinationError | null): void {
    this.ended = { error };
    const trees = [...this.shared.values()];
    this.shared.clear();
    for (const { subject } of trees) {
      if (error === null) subject.complete();
      else subject.error(error);
    }
  }

  private join(path: string, mode: AddWatchMode): SharedTree {
    const key = keyOf(path, mode);
    let tree = this.shared.get(key);
    if (tree === undefined) {
      tree = new SharedTree();
      this.shared.set(key, tree);
    }
    tree.subscribers++;
    if (tree.subscribers === 1) this.dispatch({ kind: 'addTree', path, mode });
    return tree;
  }

  private leave(tree: SharedTree, path: string, mode: AddWatchMode): void {
    tree.subscribers--;
    const key = keyOf(path, mode);
    if (tree.subscribers > 0 || this.shared.get(key) !== tree) return;
    this.shared.delete(key);
    this.dispatch({ kind: 'removeTree', path, mode });
  }
}

function keyOf(path: string, mode: AddWatchMode): string {
  return `${mode}${path}`;
}
