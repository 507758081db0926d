import type { TimeLimit } from '@aviary/coordination';

/**
 * One after the other, for each path: what this process would change at the same time would only make
 * it compete with itself.
 */
export class Turns {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** How many paths have somebody at work. */
  get size(): number {
    return this.tails.size;
  }

  /** When everybody who is at work or waits now has ended. */
  whenIdle(): Promise<unknown> {
    return Promise.all(this.tails.values());
  }

  /** Runs `action` after those that came before it. @throws what it throws, and of the limit. */
  async run<T>(path: string, limit: TimeLimit, action: () => Promise<T>): Promise<T> {
    const before = this.tails.get(path);
    let end = (): void => undefined;
    const own = new Promise<void>((resolve) => {
      end = resolve;
    });
    const tail = before === undefined ? own : before.then(() => own);
    this.tails.set(path, tail);
    try {
      if (before !== undefined) await limit.race(before);
      limit.assertLeft('counter', path);
      return await action();
    } finally {
      end();
      if (this.tails.get(path) === tail) this.tails.delete(path);
    }
  }
}
