import { CoordinationError, NoNodeError, NodeExistsError } from '@aviary/client';
import type { BarrierHost } from './barrier-host.js';
import type { Wait, WaitOptions } from './wait.js';

/** How one barrier behaves. */
export interface BarrierOptions {
  /**
   * Who waited goes on at a random moment within this time after the barrier was lowered, and not
   * all in the same. In milliseconds. Default: 0.
   */
  readonly jitterMs?: number | undefined;
}

/**
 * A barrier that somebody raises and lowers, and at which others wait: `DistributedBarrier` of
 * Curator, `Barrier` of kazoo. It is raised as long as its node exists. The node outlives whoever
 * raised it, so somebody has to lower it.
 */
export class Barrier {
  /** Its node. */
  readonly path: string;
  private readonly host: BarrierHost;
  private readonly jitterMs: number;

  /** @internal Use `Barriers.barrier`. */
  constructor(host: BarrierHost, path: string, { jitterMs = 0 }: BarrierOptions) {
    this.host = host;
    this.path = path;
    this.jitterMs = jitterMs;
  }

  /**
   * Raises the barrier, whatever happens to connections and sessions meanwhile.
   *
   * @returns Whether it was this call; false: it was raised before. If the answer was lost, the
   * call takes a barrier that it then finds raised for its own doing, and raises it once more if
   * somebody has lowered it since.
   * @throws as {@link wait}, and refusals of the server.
   */
  raise(options: WaitOptions = {}): Promise<boolean> {
    return this.host.wait('raise', this.path, options, async (wait) => {
      const { zk, identity, acl } = this.host;
      let isInDoubt = false;
      for (let isParentMissing = false; ;) {
        try {
          if (isParentMissing) await this.host.ensureParent(this.path, wait.options);
          await zk.create(this.path, identity, { acl, ...wait.options });
          return true;
        } catch (error) {
          if (error instanceof NodeExistsError) return isInDoubt;
          isParentMissing = error instanceof NoNodeError;
          if (isParentMissing) continue;
          if (!this.host.isPassing(error, wait)) throw error;
          isInDoubt ||= mayHaveApplied(error);
        }
      }
    });
  }

  /**
   * Lowers the barrier: everybody who waits goes on. It never lowers one that was raised anew while
   * the answer was on its way.
   *
   * @returns Whether it was raised.
   * @throws as {@link wait}; NotEmptyError: the path is no barrier, for it has children.
   */
  lower(options: WaitOptions = {}): Promise<boolean> {
    return this.host.wait('lower', this.path, options, async (wait) => {
      const { zk } = this.host;
      let raised: bigint | null = null;
      for (;;) {
        try {
          const stat = await zk.exists(this.path, wait.options);
          // Gone, or another one: it was lowered in between, by us or by somebody else.
          if (raised !== null && stat?.czxid !== raised) return true;
          if (stat === null) return false;
          raised = stat.czxid;
          await zk.delete(this.path, wait.options);
          return true;
        } catch (error) {
          if (error instanceof NoNodeError) return true;
          if (!this.host.isPassing(error, wait)) throw error;
          // What was committed behind the lost answer is seen after it.
          if (mayHaveApplied(error)) await this.sync(wait);
        }
      }
    });
  }

  /** Whether it is raised, as the servers know it. @throws what the client's reads throw. */
  async isRaised(): Promise<boolean> {
    return (await this.host.zk.exists(this.path)) !== null;
  }

  /**
   * Waits until the barrier is lowered; not at all if it is not raised. It is asked of the servers
   * after every wake-up, whatever woke us.
   *
   * @throws {BarrierTimeoutError} It is still raised after `waitMs`.
   * @throws {BarrierUnavailableError} No answer within that time.
   * @throws {AbortedError} By `signal`. @throws {BarriersClosedError}
   */
  wait(options: WaitOptions = {}): Promise<void> {
    return this.host.wait('wait', this.path, options, async (wait) => {
      if (await this.pass(wait)) await this.host.spread(this.jitterMs, wait);
    });
  }

  /** Whether there was something to wait for. */
  private async pass(wait: Wait): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      try {
        // A read of a node that is not there leaves no watch behind.
        const { watch } = await this.host.zk.getAndWatch(this.path, wait.options);
        try {
          wait.note('it was not lowered');
          await watch.fired;
        } finally {
          watch.cancel();
        }
      } catch (error) {
        if (error instanceof NoNodeError) return waited;
        if (!this.host.isPassing(error, wait)) throw error;
      }
      wait.signal.throwIfAborted();
    }
  }

  private async sync(wait: Wait): Promise<void> {
    for (;;) {
      try {
        await this.host.zk.sync(this.path, wait.options);
        return;
      } catch (error) {
        if (!this.host.isPassing(error, wait)) throw error;
      }
    }
  }
}

function mayHaveApplied(error: unknown): boolean {
  return error instanceof CoordinationError && error.outcome === 'unknown';
}
