import type { CoordinationError, NodeInput } from '@aviary/client';

/** One of the values that a node had or is to have, with its place among them. */
export interface Revision {
  readonly data: NodeInput;
  readonly number: number;
}

interface Waiter {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: CoordinationError) => void;
}

/** What a node should contain, and what it is known to. */
export class PresenceData {
  /** What it should contain. */
  newest: Revision;
  /** What was written last, or is to be if the newest is refused. */
  private good: Revision;
  private count = 0;
  private writtenNumber = -1;
  private waiters: Waiter[] = [];

  constructor(data: NodeInput) {
    this.newest = { data, number: 0 };
    this.good = this.newest;
  }

  get isWritten(): boolean {
    return this.writtenNumber === this.newest.number;
  }

  /** Resolves when it, or something newer, is written. */
  want(data: NodeInput): Promise<void> {
    this.newest = { data, number: ++this.count };
    const { number } = this.newest;
    return new Promise((resolve, reject) => this.waiters.push({ number, resolve, reject }));
  }

  /** It is not known what the node contains. */
  doubt(): void {
    this.writtenNumber = -1;
  }

  written(revision: Revision): void {
    this.writtenNumber = revision.number;
    this.good = revision;
    this.settle(revision.number, ({ resolve }) => resolve());
  }

  /** The servers will not have it: the last one that they had is wanted again, and taken as written. */
  refused(revision: Revision, error: CoordinationError): void {
    if (this.newest === revision) {
      this.newest = this.good;
      this.writtenNumber = this.good.number;
    }
    this.settle(revision.number, ({ reject }) => reject(error));
  }

  end(error: CoordinationError): void {
    this.settle(Infinity, ({ reject }) => reject(error));
  }

  private settle(upTo: number, how: (waiter: Waiter) => void): void {
    const settled = this.waiters.filter(({ number }) => number <= upTo);
    this.waiters = this.waiters.filter(({ number }) => number > upTo);
    for (const waiter of settled) how(waiter);
  }
}
