import { OneShotWatch, type WatchTableName } from '../session/watch-table.js';
import { whenAborted } from '../operations/abort-listeners.js';
import type { WatchEvent } from '../watch-event.js';

/** A watch on one node that fires once. */
export interface Watch {
  /**
   * Resolves once, and never rejects: with the change, or with why no change will be reported.
   * Survives reconnects; what changes during the gap is reported after it.
   */
  readonly fired: Promise<WatchEvent>;

  /** Ends the interest: `fired` resolves with `cancelled`, and the server forgets the watch. */
  cancel(): void;

  /** As {@link cancel}, for `using`. */
  [Symbol.dispose](): void;
}

/** The one watch of a read, made before the read is sent. */
export class WatchHandle extends OneShotWatch implements Watch {
  readonly fired: Promise<WatchEvent>;
  /** As the caller wrote it. */
  private readonly clientPath: string;
  private readonly onCancel: (watch: OneShotWatch) => void;
  private resolve: (event: WatchEvent) => void = () => undefined;
  private releaseSignal: (() => void) | null = null;

  constructor(
    table: WatchTableName,
    paths: { readonly server: string; readonly client: string },
    onCancel: (watch: OneShotWatch) => void,
  ) {
    super(table, paths.server);
    this.clientPath = paths.client;
    this.onCancel = onCancel;
    this.fired = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  cancel(): void {
    this.onCancel(this);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  /** Cancels the watch when `signal` aborts, for as long as it waits. */
  cancelWith(signal: AbortSignal): void {
    if (this.stage === 'done') return;
    this.releaseSignal = whenAborted(signal, () => this.cancel());
  }

  /** The core has ended it. */
  ended(event: WatchEvent): void {
    this.releaseSignal?.();
    this.releaseSignal = null;
    this.resolve('path' in event ? { ...event, path: this.clientPath } : event);
  }
}
