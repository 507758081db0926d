import { lookup } from 'node:dns/promises';
import {
  connect,
  createServer,
  isIP,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
} from 'node:net';
import {
  ConnectError,
  type ByteStream,
  type Listener,
  type Network,
  type SocketAddress,
} from '@aviary/foundation';
import { SocketStream, adoptAccepted, outgoingSocketOptions } from './socket-stream.js';

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : 'UNKNOWN';
}

class NodeListener implements Listener {
  readonly local: SocketAddress;
  private readonly server: Server;

  constructor(server: Server) {
    this.server = server;
    const { address, port } = server.address() as AddressInfo;
    this.local = { address, port };
  }

  close(): Promise<void> {
    // Node calls back when the last connection has gone too; a listener answers for itself only.
    this.server.close();
    return Promise.resolve();
  }
}

/** TCP of the machine. */
export class NodeNetwork implements Network {
  listen(
    options: { address: string | null; port: number; backlog?: number },
    onAccept: (stream: ByteStream) => void,
  ): Promise<Listener> {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
      onAccept(adoptAccepted(socket)),
    );
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const host = options.address ?? undefined;
      server.listen({ host, port: options.port, backlog: options.backlog ?? 511 }, () => {
        server.off('error', reject);
        // Accepting failed for want of descriptors: the peer is refused, the port goes on.
        server.on('error', () => undefined);
        resolve(new NodeListener(server));
      });
    });
  }

  async resolve(host: string): Promise<string[]> {
    if (isIP(host) !== 0) return [host];
    try {
      const found = await lookup(host, { all: true });
      return found.map(({ address }) => address);
    } catch (cause) {
      throw new ConnectError(codeOf(cause), `cannot resolve host name "${host}"`, { cause });
    }
  }

  connect(to: SocketAddress, timeoutMs: number): Promise<ByteStream> {
    const where = `${to.address}:${to.port}`;
    return new Promise((resolve, reject) => {
      const options: NetConnectOpts = { host: to.address, port: to.port, noDelay: true };
      const socket = connect(Object.assign(options, outgoingSocketOptions));
      socket.pause();
      const fail = (code: string, cause?: unknown) => {
        clearTimeout(timer);
        socket.destroy();
        reject(new ConnectError(code, `cannot connect to ${where}: ${code}`, { cause }));
      };
      const onError = (cause: Error) => fail(codeOf(cause), cause);
      const timer = setTimeout(() => fail('ETIMEDOUT'), timeoutMs);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(new SocketStream(socket));
      });
    });
  }
}
