import { ZooKeeper } from '@aviary/client';
import { Peer } from '../peers/peer.js';
import { TestServer, type ServerKind } from '../servers.js';

/** One server, and on it Curator, kazoo and clients of ours. */
export class SharedRoom {
  private readonly clients: ZooKeeper[] = [];

  private constructor(
    readonly server: TestServer,
    readonly curator: Peer,
    readonly kazoo: Peer,
  ) {}

  static async start(kind: ServerKind): Promise<SharedRoom> {
    const server = await TestServer.start(kind);
    const [curator, kazoo] = await Promise.all([
      Peer.curator(server.hosts),
      Peer.kazoo(server.hosts),
    ]);
    return new SharedRoom(server, curator, kazoo);
  }

  /** A session of ours, closed at the end. */
  client(): ZooKeeper {
    const zk = new ZooKeeper({ servers: this.server.hosts });
    this.clients.push(zk);
    return zk;
  }

  /** Waits until so many children stand below a path. */
  async untilChildren(path: string, count: number): Promise<void> {
    const [zk = this.client()] = this.clients;
    const look = async (): Promise<number> =>
      (await zk.exists(path)) === null ? 0 : (await zk.children(path)).children.length;
    await this.server.until(`${count} children of ${path}`, look, (seen) => seen === count);
  }

  /** Ends it. The directories go with `removeAll`. */
  async stop(): Promise<void> {
    await Promise.all(this.clients.map((zk) => zk.close()));
    await Promise.all([this.curator.kill(), this.kazoo.kill()]);
    await this.server.kill();
  }
}

/** Whether a promise is still open when the server has answered what was asked after it. */
export async function isOpen(promise: Promise<unknown>, zk: ZooKeeper): Promise<boolean> {
  let open = true;
  const settle = () => {
    open = false;
  };
  promise.then(settle, settle);
  await zk.sync('/');
  await zk.sync('/');
  return open;
}
