import { isObservable, type Subscription } from 'rxjs';
import type { Log } from '@aviary/foundation';
import { changedPaths } from '../core/difference.js';
import type { ConfigChange, LiveConfig } from '../core/live-config.js';

/** A method that is told of changes. */
export interface ChangeHandler {
  /** As `Class.method`. */
  readonly label: string;
  readonly call: (change: ConfigChange<unknown>) => unknown;
}

/** Tells one method of the changes of one configuration, one after the other. */
export class ChangeDelivery {
  private readonly handler: ChangeHandler;
  private readonly log: Log;
  private readonly subscription: Subscription;
  private isOpen = false;
  private waiting: ConfigChange<unknown> | null = null;
  private running: Promise<void> | null = null;

  constructor(live: LiveConfig<unknown>, handler: ChangeHandler, log: Log) {
    this.handler = handler;
    this.log = log;
    this.subscription = live.changes$.subscribe((change) => this.onChange(change));
  }

  /** Begins to call; what has changed before is told now. */
  open(): void {
    this.isOpen = true;
    this.next();
  }

  /** Calls no more. Resolves when the call that runs has ended; never rejects. */
  async close(): Promise<void> {
    this.isOpen = false;
    this.subscription.unsubscribe();
    await this.running;
  }

  private onChange(change: ConfigChange<unknown>): void {
    const { waiting } = this;
    this.waiting = waiting === null ? change : joined(waiting, change);
    this.next();
  }

  private next(): void {
    const { waiting } = this;
    if (waiting === null || !this.isOpen || this.running !== null) return;
    this.waiting = null;
    this.running = this.call(waiting).then(() => {
      this.running = null;
      this.next();
    });
  }

  private async call(change: ConfigChange<unknown>): Promise<void> {
    // Whoever changes back and forth has changed nothing.
    if (change.changedPaths.length === 0) return;
    try {
      const result = await this.handler.call(change);
      if (isObservable(result)) {
        throw new Error('it returned an Observable, to which nobody subscribes: return a Promise');
      }
    } catch (error) {
      const { label } = this.handler;
      this.log.error(`${label} failed on a change of ${change.path}`, { error });
    }
  }
}

function joined(first: ConfigChange<unknown>, last: ConfigChange<unknown>): ConfigChange<unknown> {
  const { previous } = first;
  return { ...last, previous, changedPaths: changedPaths(previous, last.current) };
}
