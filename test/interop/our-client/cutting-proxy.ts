import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, and loses answers on demand. */
export class CuttingProxy {
  private readonly target: { readonly host: string; readonly port: number };
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private losing = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.target = target;
    this.server = createServer((near) => this.join(near));
  }

  static async start(host: string, port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy({ host, port });
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** As it stands in a connection string. */
  get hosts(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What the server says next is lost, and the connection with it. */
  loseNextAnswer(): void {
    this.losing = true;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(near: Socket): void {
    const far = connect(this.target);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (bytes) => {
        if (from === far && this.losing) {
          this.losing = false;
          near.destroy();
        } else to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }
}
