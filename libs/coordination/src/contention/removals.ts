import { AuthFailedError, ClosedError, type ZooKeeper } from '@aviary/client';
import type { Log } from '@aviary/foundation';
import { pause } from '../retries/pause.js';

/** How long it takes until a deletion that a server refused is tried again. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/** A contender's node that nobody needs any more. */
export interface DyingNode {
  readonly path: string;
  readonly sessionId: bigint;
}

/**
 * Deletes contenders, whatever it takes: a contender without anybody behind it would hold up its
 * queue for as long as its session lives. It belongs to the client and not to the call that wanted
 * the lock, so it outlives timeouts and aborts.
 */
export class Removals {
  private readonly zk: ZooKeeper;
  private readonly log: Log;
  private readonly dying = new Map<string, Promise<void>>();

  constructor(zk: ZooKeeper, log: Log) {
    this.zk = zk;
    this.log = log;
  }

  /** How many nodes are on their way. */
  get size(): number {
    return this.dying.size;
  }

  /** Begins in this turn. Resolves when the node is gone or its session is over; never rejects. */
  remove(node: DyingNode): Promise<void> {
    const gone = this.untilGone(node).finally(() => this.dying.delete(node.path));
    this.dying.set(node.path, gone);
    return gone;
  }

  /** As {@link remove}, but does not wait for a connection: the rest happens in the background. */
  async removeSoon(node: DyingNode): Promise<void> {
    const gone = this.remove(node);
    const disconnected = this.whenDisconnected();
    await Promise.race([gone, disconnected.happened]);
    disconnected.stop();
  }

  /** When all of these nodes will be gone; null if one of them is not on its way. */
  whenGone(paths: readonly string[]): Promise<unknown> | null {
    const going = paths.flatMap((path) => this.dying.get(path) ?? []);
    return going.length < paths.length ? null : Promise.all(going);
  }

  /** When every node that is on its way now will be gone. */
  whenAllGone(): Promise<unknown> {
    return Promise.all(this.dying.values());
  }

  private async untilGone({ path, sessionId }: DyingNode): Promise<void> {
    for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      try {
        await this.zk.deleteGuaranteed(path, { inSession: sessionId });
        return;
      } catch (error) {
        // The session ends with the client, or no call of it will ever succeed.
        if (error instanceof ClosedError || error instanceof AuthFailedError) return;
        this.log.error(`the contender ${path} cannot be deleted, so its queue waits`, { error });
      }
      await this.pauseWhileOpen(pauseMs);
      if (this.zk.sessionId !== sessionId) return;
    }
  }

  /** With the client ends the session, and with that the node: no timer outlives it. */
  private async pauseWhileOpen(pauseMs: number): Promise<void> {
    const over = new AbortController();
    const subscription = this.zk.state$.subscribe({ complete: () => over.abort() });
    await pause(this.zk.clock, pauseMs, over.signal);
    subscription.unsubscribe();
  }

  private whenDisconnected(): { readonly happened: Promise<void>; stop(): void } {
    let stop = (): void => undefined;
    const happened = new Promise<void>((resolve) => {
      const subscription = this.zk.state$.subscribe({
        next: ({ kind }) => {
          if (kind !== 'connected' && kind !== 'reconnected') resolve();
        },
        complete: resolve,
      });
      stop = () => subscription.unsubscribe();
    });
    return { happened, stop };
  }
}
