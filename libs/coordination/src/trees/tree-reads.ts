import type { Timer } from '@aviary/foundation';
import {
  AbortedError,
  AuthFailedError,
  ClosedError,
  CoordinationError,
  NoNodeError,
  ReplyTooLargeError,
  RequestTooLargeError,
  UnimplementedError,
  type NodeData,
  type ReadRequest,
  type ZooKeeper,
} from '@aviary/client';
import { TreeLimitError, TreeUnsupportedError } from './tree-errors.js';
import type { NodeRead, TreeStore } from './tree-store.js';
import type { Want } from './want.js';

/** Nodes in one request: few enough for the server to have other work done in between. */
const BATCH_NODES = 64;
/** So many times as many, while so many change between two requests that they are never all clean. */
const GROWTH_MAX = 16;
/** Requests on their way at the same time, while there is much to read. */
const BATCHES_MAX = 4;
/** How long it takes until a read is tried again that failed for no reason of its own. */
const PAUSE_MS = 250;

/** Who hears what became of reads. */
export interface ReadsListener {
  /** Something was taken in. */
  onRead(): void;
  /** Reads fail just now; they are tried again. */
  onTrouble(): void;
  /** The tree cannot be kept. */
  onFailure(error: CoordinationError): void;
}

/** Reads what a store wants, many nodes in one request and few requests at a time. */
export class TreeReads {
  private readonly zk: ZooKeeper;
  private readonly path: string;
  private readonly store: TreeStore;
  private readonly listener: ReadsListener;
  private readonly canceller = new AbortController();
  private batchNodes = BATCH_NODES;
  private growthMax = GROWTH_MAX;
  private flying = 0;
  private isScheduled = false;
  private timer: Timer | null = null;

  constructor(zk: ZooKeeper, path: string, store: TreeStore, listener: ReadsListener) {
    this.zk = zk;
    this.path = path;
    this.store = store;
    this.listener = listener;
  }

  /** Sends what is to be read, once everything that arrived together has been looked at. */
  schedule(): void {
    if (this.isScheduled || this.canceller.signal.aborted) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      this.send();
    });
  }

  /** Ends everything. */
  stop(): void {
    this.canceller.abort();
    this.timer?.cancel();
  }

  private send(): void {
    while (!this.canceller.signal.aborted && this.timer === null && this.flying < BATCHES_MAX) {
      const max = this.batchNodes * Math.min(2 ** this.store.repeatedBatches, this.growthMax);
      // A few nodes wait for those on their way, so that all can be clean at the same moment.
      if (this.flying > 0 && this.store.waiting < max) return;
      const batch = this.store.take(max);
      if (batch.length === 0) return;
      void this.read(batch);
    }
  }

  private async read(batch: readonly Want[]): Promise<void> {
    this.flying++;
    try {
      const reads = await this.ask(batch);
      this.flying--;
      if (this.canceller.signal.aborted) return;
      let isNewest = true;
      for (const [at, want] of batch.entries()) {
        const read = reads[at];
        if (read !== undefined && !this.store.apply(want, read)) isNewest = false;
      }
      if (!isNewest) this.pause();
      this.listener.onRead();
      this.schedule();
    } catch (error) {
      this.flying--;
      if (!this.canceller.signal.aborted) this.failed(batch, error);
    }
  }

  private async ask(batch: readonly Want[]): Promise<NodeRead[]> {
    const requests = batch.flatMap(({ path, list }): ReadRequest[] =>
      list
        ? [
            { kind: 'get', path },
            { kind: 'children', path },
          ]
        : [{ kind: 'get', path }],
    );
    const lists = batch.map(({ list }) => list);
    const options = { signal: this.canceller.signal, deadlineMs: Infinity };
    const results: readonly PromiseSettledResult<unknown>[] = await this.zk.multiRead(
      requests,
      options,
    );
    let at = 0;
    return lists.map((list) => {
      const get = results[at++];
      return nodeRead(get, list ? results[at++] : undefined);
    });
  }

  private failed(batch: readonly Want[], error: unknown): void {
    if (error instanceof ClosedError || error instanceof AuthFailedError) return;
    if (error instanceof ReplyTooLargeError || error instanceof RequestTooLargeError) {
      this.tooLarge(batch, error);
      return;
    }
    if (error instanceof TreeLimitError) {
      this.listener.onFailure(error);
    } else if (error instanceof UnimplementedError) {
      this.listener.onFailure(new TreeUnsupportedError(this.path, error));
    } else if (!(error instanceof CoordinationError) || error instanceof AbortedError) {
      throw error;
    } else {
      this.store.giveBack(batch);
      this.listener.onTrouble();
      this.pause();
    }
  }

  /** Asks for less at a time; what is too large alone is left out. */
  private tooLarge(batch: readonly Want[], error: CoordinationError): void {
    const [first] = batch;
    if (batch.length === 1 && first?.path === this.path) {
      this.listener.onFailure(error);
      return;
    }
    if (batch.length === 1 && first !== undefined) {
      this.store.leaveOut(first.path, error);
    } else {
      const half = Math.max(1, Math.floor(batch.length / 2));
      this.batchNodes = Math.min(this.batchNodes, half);
      this.growthMax = 1;
      this.store.giveBack(batch);
    }
    this.listener.onRead();
    this.schedule();
  }

  private pause(): void {
    this.timer ??= this.zk.clock.setTimer(PAUSE_MS, () => {
      this.timer = null;
      this.send();
    });
  }
}

function nodeRead(
  get: PromiseSettledResult<unknown> | undefined,
  children: PromiseSettledResult<unknown> | undefined,
): NodeRead {
  const failed = [get, children].find((result) => result?.status === 'rejected');
  if (failed?.status === 'rejected') {
    const error: unknown = failed.reason;
    if (error instanceof NoNodeError) return { kind: 'missing' };
    if (error instanceof CoordinationError) return { kind: 'refused', error };
    throw error;
  }
  const node = (get as PromiseFulfilledResult<NodeData>).value;
  const names = (children as PromiseFulfilledResult<readonly string[]> | undefined)?.value ?? null;
  return { kind: 'read', node, names };
}
