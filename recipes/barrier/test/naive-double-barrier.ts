import { randomUuid } from '@aviary/foundation';
import { NoNodeError, NodeExistsError, type ZooKeeper } from '@aviary/client';

/**
 * A double barrier with the mistakes that others made: who finds `ready` passes, whatever round it
 * is of, and it is made after the members were counted, not together with the look.
 */
export class NaiveDoubleBarrier {
  constructor(
    private readonly zk: ZooKeeper,
    private readonly path: string,
    private readonly quantity: number,
  ) {}

  async enter(): Promise<{ readonly token: bigint; leave(): Promise<void> }> {
    const own = `${this.path}/${randomUuid(this.zk.random)}`;
    const ready = `${this.path}/ready`;
    await this.zk.ensurePath(this.path);
    await this.zk.create(own, '', { mode: 'ephemeral' });
    for (;;) {
      const { stat, watch } = await this.zk.existsAndWatch(ready);
      if (stat !== null) {
        watch.cancel();
        return { token: stat.czxid, leave: () => this.leave(own) };
      }
      const { children } = await this.zk.children(this.path);
      if (children.length >= this.quantity) {
        await this.zk.create(ready, '').catch((error: unknown) => {
          if (!(error instanceof NodeExistsError)) throw error;
        });
        watch.cancel();
      } else {
        await watch.fired;
      }
    }
  }

  private async leave(own: string): Promise<void> {
    await this.zk.delete(own);
    await this.zk.delete(`${this.path}/ready`).catch((error: unknown) => {
      if (!(error instanceof NoNodeError)) throw error;
    });
  }
}
