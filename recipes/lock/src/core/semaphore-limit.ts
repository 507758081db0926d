import {
  BadVersionError,
  ConnectionLossError,
  CoordinationError,
  NoNodeError,
  type CallOptions,
  type NodeData,
  type Watch,
  type ZooKeeper,
} from '@aviary/client';

/**
 * The node that should say how many permits there are says nothing of the kind, or something else
 * than the caller. Nothing was done, and nothing of this attempt stays.
 */
export class SemaphoreLimitError extends CoordinationError {
  constructor(path: string, problem: string) {
    super(`the limit of the semaphore ${path}: ${problem}`, {
      outcome: 'notApplied',
      operation: 'acquire',
      path,
    });
  }
}

/** How many permits of a semaphore there are. */
export interface SemaphoreLimit {
  read(options: CallOptions): Promise<number>;
  /** As {@link read}, with a watch that fires when the limit changes; null: it never does. */
  readAndWatch(options: CallOptions): Promise<{ readonly limit: number; watch: Watch | null }>;
}

/** A number that all who use the semaphore agree on. */
export class FixedLimit implements SemaphoreLimit {
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  read(): Promise<number> {
    return Promise.resolve(this.limit);
  }

  readAndWatch(): Promise<{ readonly limit: number; readonly watch: null }> {
    return Promise.resolve({ limit: this.limit, watch: null });
  }
}

/**
 * A number in a node, which may change at any time: decimal text, or the four bytes of Curator's
 * `SharedCount`. (Four digits are text: as a `SharedCount` they would be more than 800 million.)
 */
export class LiveLimit implements SemaphoreLimit {
  constructor(
    private readonly zk: ZooKeeper,
    private readonly semaphore: string,
    private readonly path: string,
  ) {}

  async read(options: CallOptions): Promise<number> {
    return this.limitOf(await this.orMissing(this.zk.get(this.path, options)));
  }

  async readAndWatch(
    options: CallOptions,
  ): Promise<{ readonly limit: number; readonly watch: Watch }> {
    const node = await this.orMissing(this.zk.getAndWatch(this.path, options));
    try {
      return { limit: this.limitOf(node), watch: node.watch };
    } catch (error) {
      node.watch.cancel();
      throw error;
    }
  }

  private async orMissing<T>(read: Promise<T>): Promise<T> {
    try {
      return await read;
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      throw new SemaphoreLimitError(this.semaphore, `there is no node ${this.path}; create it`);
    }
  }

  private limitOf({ data }: NodeData): number {
    const limit = parseLimit(data ?? Buffer.alloc(0));
    if (limit !== null) return limit;
    throw new SemaphoreLimitError(
      this.semaphore,
      `${this.path} must hold a number from 0 up, as decimal text or as Curator's SharedCount`,
    );
  }
}

/**
 * kazoo's way: the number that all agree on is also written into the semaphore's own node, by the
 * first who comes, and who has another one is refused.
 */
export class RecordedLimit implements SemaphoreLimit {
  constructor(
    private readonly zk: ZooKeeper,
    private readonly path: string,
    private readonly limit: number,
  ) {}

  async read(options: CallOptions): Promise<number> {
    const { zk, path, limit } = this;
    for (;;) {
      try {
        const { data, stat } = await zk.get(path, options);
        const recorded = data === null ? '' : data.toString();
        if (recorded === String(limit)) return limit;
        if (recorded !== '') {
          const problem = `its node says ${recorded}, and this caller ${limit}`;
          throw new SemaphoreLimitError(path, problem);
        }
        await zk.set(path, String(limit), { ...options, version: stat.version });
      } catch (error) {
        if (error instanceof NoNodeError) {
          const { signal, deadlineMs } = options;
          await zk.ensurePath(path, { signal, deadlineMs });
        } else if (!(error instanceof BadVersionError || error instanceof ConnectionLossError)) {
          throw error;
        }
      }
    }
  }

  async readAndWatch(
    options: CallOptions,
  ): Promise<{ readonly limit: number; readonly watch: null }> {
    return { limit: await this.read(options), watch: null };
  }
}

/** null: it is no number from 0 up. */
function parseLimit(data: Buffer): number | null {
  const text = data.toString('latin1');
  if (/^\d{1,10}$/.test(text)) return Number(text);
  if (data.length !== 4) return null;
  const count = data.readInt32BE();
  return count < 0 ? null : count;
}
