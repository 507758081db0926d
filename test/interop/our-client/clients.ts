import { randomUUID } from 'node:crypto';
import { CoordinationError, ZooKeeper, type ZooKeeperOptions } from '@aviary/client';

export { rejection } from '../../rejection.js';

/** Clients of one test, below a node of their own, closed at its end. */
export class Clients {
  readonly chroot = `/aviary-${randomUUID()}`;
  private readonly servers: string;
  private readonly all: ZooKeeper[] = [];

  constructor(servers: string) {
    this.servers = servers;
  }

  make(options: Partial<ZooKeeperOptions> = {}): ZooKeeper {
    const { servers, chroot } = this;
    const zk = new ZooKeeper({ servers, chroot, sessionTimeoutMs: 6_000, ...options });
    this.all.push(zk);
    return zk;
  }

  async connected(options: Partial<ZooKeeperOptions> = {}): Promise<ZooKeeper> {
    const zk = this.make(options);
    await zk.connect();
    await zk.ensurePath('/');
    return zk;
  }

  async close(): Promise<void> {
    await Promise.all(this.all.splice(0).map((zk) => zk.close()));
  }

  /** Removes everything below the node, and the node. */
  async clean(): Promise<void> {
    await this.close();
    await using zk = new ZooKeeper({ servers: this.servers });
    const remove = async (path: string): Promise<void> => {
      const { children } = await zk.children(path);
      await Promise.all(children.map((name) => remove(`${path}/${name}`)));
      await zk.delete(path);
    };
    await remove(this.chroot).catch((error: unknown) => {
      if (!(error instanceof CoordinationError)) throw error;
    });
  }
}

/** Waits until `check` holds. */
export async function until(check: () => boolean | Promise<boolean>, limitMs = 20_000) {
  const end = performance.now() + limitMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`did not come true: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
